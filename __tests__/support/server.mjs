// A user's server for tests, as small as one can be. MODE says how it misbehaves.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const { MODE = '', PORT, TRAINYARD_RELEASE: release, OFFSET = '0' } = process.env;
console.log(`server of ${release} starts with API_KEY ${process.env.API_KEY}`);
if (MODE === 'dies') {
  console.error('Traceback: no such layer');
  process.exit(7);
}
if (MODE === 'shouts') {
  for (let line = 0; line < 60; line++) console.log('€'.repeat(16_000));
  // What is printed to a pipe is on its way for a moment.
  setTimeout(() => process.exit(7), 500);
}
if (MODE === 'crashes') setTimeout(() => process.exit(3), 1500);
if (MODE === 'daemon') {
  const daemon = spawn('sleep', ['97'], { detached: true, stdio: 'ignore' });
  console.log(`daemon ${daemon.pid}`);
  daemon.unref();
}

let asked = 0;
const server = createServer(async (request, answer) => {
  const url = new URL(request.url, 'http://server');
  const json = (body, status = 200) =>
    answer
      .writeHead(status, { 'content-type': 'application/json', 'x-trainyard-release': 'forged' })
      .end(JSON.stringify(body));
  let text = '';
  for await (const chunk of request) text += chunk;
  if (MODE === 'flaps' && ++asked % 3 === 0) return json({ error: 'not just now' }, 503);
  switch (url.pathname) {
    case '/ready':
      return MODE === 'hangs' ? undefined : json({});
    case '/sum': {
      if (MODE === 'tires' && ++asked > 3)
        return json({ error: `tired of ${process.env.API_KEY ?? 'numbers'}` }, 500);
      if (MODE === 'stalls' && ++asked > 1) return;
      const sum = JSON.parse(text).numbers.reduce((a, b) => a + b, Number(OFFSET));
      return json({ sum, extra: release });
    }
    case '/slow':
      await sleep(Number(url.searchParams.get('ms')));
      return json({ release, pid: process.pid });
    case '/die':
      return process.exit(3);
    case '/env':
      return json(process.env);
    default:
      return json({ release, pid: process.pid, forwarded: request.headers['x-forwarded-for'] });
  }
});
// Some servers close a connection when they are asked to, a moment after the answer, and do not say so in it.
if (MODE === 'closes') {
  server.prependListener('request', (request, answer) => {
    if (request.headers.connection !== 'close') return;
    answer.setHeader('connection', 'keep-alive');
    const { socket } = request;
    answer.on('finish', () => socket.pause());
    answer.on('finish', () => setTimeout(() => socket.destroy(), 20));
  });
}
server.on('upgrade', (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  socket.on('data', (bytes) => socket.write(`${release} ${bytes}`));
});
if (MODE !== 'shouts') server.listen(MODE === 'elsewhere' ? 0 : Number(PORT), '127.0.0.1');
