// The backend of the HTTP runs: answers every POST 1 ms after its body is in, {"ok":true}. Prints its port, then serves until killed.
// A bare reader of HTTP/1.1 with Content-Length on node:net, because node:http would cost more than the workers that it is there to compare.
import { createServer } from 'node:net';

const THINK_MS = 1;
const BODY = '{"ok":true}';
const ANSWER = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`);
const REFUSAL = 'HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';

/** Bytes of the first complete request in `text`, 0 if there is none yet, -1 if it has no length. */
function requestLength(text) {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head));
  if (!length) return -1;
  const whole = head + 4 + Number(length[1]);
  return text.length >= whole ? whole : 0;
}

const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  socket.setEncoding('latin1'); // one character a byte
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    text += chunk;
    for (;;) {
      const length = requestLength(text);
      if (length === 0) return;
      if (length < 0) { socket.end(REFUSAL); return; }
      text = text.slice(length);
      setTimeout(() => { if (socket.writable) socket.write(ANSWER); }, THINK_MS);
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
