// Runs in the sandbox's network and is handed servers that listen outside of it: what connects there is connected here, to
// HOST:PORT. Ends with the process that started it.
import { connect } from 'node:net';

const relays = new Map();

process.on('message', ({ id, host, port, close }, server) => {
  if (close) {
    const { server: closed, sockets } = relays.get(id);
    relays.delete(id);
    for (const socket of sockets) socket.destroy();
    closed.close(() => process.send({ id }));
    return;
  }
  const sockets = new Set();
  relays.set(id, { server, sockets });
  server.on('connection', (outer) => {
    const inner = connect({ host, port, noDelay: true });
    outer.setNoDelay(true);
    sockets.add(outer);
    outer.pipe(inner).pipe(outer);
    // Whoever is refused in here is cut off out there.
    inner.on('error', () => outer.resetAndDestroy());
    outer.on('error', () => inner.destroy());
    outer.on('close', () => sockets.delete(outer) && inner.destroy());
    inner.on('close', () => outer.destroySoon());
  });
  process.send({ id });
});
process.on('disconnect', () => process.exit());
