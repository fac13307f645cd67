// A TCP proxy in front of a Redis: passes, goes silent on open connections, or loses one reply. Knows nothing of queues.
import { connect, createServer } from 'node:net';

export class Proxy {
  #pairs = new Set();
  #lose = null;

  /** Stands in front of a loopback port. */
  static async to(port) {
    const proxy = new Proxy();
    proxy.server = createServer({ noDelay: true }, (inside) => proxy.#serve(inside, port));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.url = `redis://127.0.0.1:${proxy.server.address().port}/0`;
    return proxy;
  }

  /** Half-open: the connections of now stay open and nothing comes or goes on them any more; new ones pass. */
  silenceExisting() {
    for (const pair of this.#pairs) pair.silent = true;
  }

  /** The next request with this text is executed; its reply is lost, and the connection closed. Resolves when it was. */
  loseReplyTo(text) {
    return new Promise((resolve) => { this.#lose = { needle: Buffer.from(text), resolve }; });
  }

  #serve(inside, port) {
    const outside = connect({ port, host: '127.0.0.1', noDelay: true });
    const pair = { silent: false, doomed: false, tail: Buffer.alloc(0) };
    this.#pairs.add(pair);
    const over = () => {
      this.#pairs.delete(pair);
      if (!pair.silent) { inside.destroy(); outside.destroy(); }
    };
    for (const socket of [inside, outside]) socket.on('error', over).on('close', over);
    inside.on('data', (chunk) => {
      if (pair.silent) return;
      // A text may come in two chunks.
      const seen = Buffer.concat([pair.tail, chunk]);
      pair.tail = seen.subarray(-64);
      if (this.#lose && seen.includes(this.#lose.needle)) {
        pair.doomed = true;
        const { resolve } = this.#lose;
        this.#lose = null;
        // The server has had it when it answers.
        outside.once('data', () => { over(); resolve(); });
      }
      outside.write(chunk);
    });
    outside.on('data', (chunk) => { if (!pair.silent && !pair.doomed) inside.write(chunk); });
  }

  close() {
    this.server.close();
  }
}
