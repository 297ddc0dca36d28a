/** Ways into a sandbox's network from outside, which leave the machine's own network as it is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

export interface Relay {
  /** `127.0.0.1:PORT`, out here. */
  readonly host: string;
  readonly port: number;
  /** Whoever is connected is cut off, and whoever comes is refused. */
  close(): Promise<void>;
}

export interface Relays {
  /**
   * Opens a port of 127.0.0.1 out here that leads to one in the sandbox.
   *
   * @param host in there
   * @param port in there; default the same as out here
   * @param at the port out here; default one that is free
   */
  open(host: string, port?: number, at?: number): Promise<Relay>;
  close(): Promise<void>;
}

/** @param pid a process of the sandbox */
export function relaysInto(pid: number): Relays {
  // It accepts out here what it connects in there: a socket stays in the network in which it was made.
  const relay = join(import.meta.dirname, 'relay.mjs');
  const args = ['--target', String(pid), '--net', '--', process.execPath, relay];
  const child = spawn('nsenter', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  let last = 0;
  const done = (id: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const see = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !('id' in message) || message.id !== id)
          return;
        child.off('message', see);
        resolve();
      };
      child.on('message', see);
      child.once('error', reject);
      child.once('exit', () => reject(new Error('the relays into the cluster have ended')));
    });
  return {
    async open(host, port, at = 0) {
      const server = createServer().listen(at, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('a server without a port');
      last += 1;
      const id = last;
      const opened = done(id);
      child.send({ id, host, port: port ?? address.port }, server);
      await opened;
      server.close();
      return {
        host: `127.0.0.1:${address.port}`,
        port: address.port,
        async close() {
          const closed = done(id);
          child.send({ id, close: true });
          await closed;
        },
      };
    },
    async close() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
