// Where the dashboard is mounted: behind a proxy that may be any path. This file must stay at the root of src/: built, it
// is in assets/, one level below the mount, and the development server serves it one level below, too.

const here = import.meta.url;

/** Ends in a slash: http://host/ or http://host/ops/queues-of-shop/. */
export const BASE = new URL('..', here);
export const API = new URL('api/v1/', BASE);
