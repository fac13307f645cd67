// What ioredis connects to, from the URLs that the tests speak in: redis://host:port and
// redis+sentinel://host:port,host:port/name.

/** Options of ioredis for this URL. */
export function connectionOf(url) {
  const sentinels = /^redis\+sentinel:\/\/([^/]+)\/(\w+)$/.exec(url);
  if (sentinels === null) {
    const { hostname, port, password, pathname } = new URL(url);
    return { host: hostname, port: Number(port), password: password || undefined, db: Number(pathname.slice(1) || 0) };
  }
  const [, hosts, name] = sentinels;
  return {
    name,
    sentinels: hosts.split(',').map((host) => ({ host: host.split(':')[0], port: Number(host.split(':')[1]) })),
    // Those that it is told of are the ones to ask: each test process has its own way to the servers.
    updateSentinels: false,
    sentinelRetryStrategy: () => 100,
  };
}

/**
 * Adds by `add`, and resolves once a replica has it. What was sent on one connection is asked for on that one: another may
 * lead to a server that never saw it.
 */
export async function confirmed(client, add) {
  const socket = client.stream;
  const job = await add();
  // An add of an id that is there writes nothing, so that there would be nothing to wait for.
  await client.set('confirmed', Date.now());
  const replicas = await client.wait(1, 1000);
  if (client.stream !== socket) throw new Error('the connection changed on the way');
  if (replicas < 1) throw new Error('no replica has it');
  return job;
}
