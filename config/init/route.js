// What Bullock calls, as a route handler of Next.js: npm install standardwebhooks
import { Webhook } from 'standardwebhooks';

// Jobs must not be answered from a cache, nor run where Node's modules are missing.
export const dynamic = 'force-dynamic';
export const runtime = 'nodejs';

// One function for each job name: it takes the job's data and gives its result. What it throws is a failed attempt.
const handlers = {
  async welcome(data) {
    return { sent: true, to: data.to };
  },
};

export async function POST(request, { params }) {
  // The signature covers the body byte for byte: take it as text, check, then use it.
  const body = await request.text();
  let data;
  try {
    data = new Webhook(process.env.WEBHOOK_SECRET).verify(body, Object.fromEntries(request.headers));
  } catch {
    return Response.json({ message: 'not from Bullock' }, { status: 401 });
  }
  const { name } = await params;
  // 422: it will never work, whatever attempts are left.
  if (!Object.hasOwn(handlers, name)) return Response.json({ message: `no handler for ${name}` }, { status: 422 });
  try {
    return Response.json((await handlers[name](data)) ?? null);
  } catch (error) {
    return Response.json({ message: error.message, stack: error.stack }, { status: 500 });
  }
}
