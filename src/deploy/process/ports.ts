import { createServer } from 'node:net';
import { MachineError } from '../../lib/errors.ts';

/**
 * A free port on 127.0.0.1, below the range from which systems take the ports of outgoing connections. Inside that range a
 * connection to a server that is not yet there can meet itself, which succeeds and holds the port.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    if (await isFree(port)) return port;
  }
  throw new MachineError('no free port was found on 127.0.0.1 between 15000 and 32000');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
