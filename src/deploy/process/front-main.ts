import { rm } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import { ask } from '../../lib/http.ts';
import { listenForControl } from './control.ts';
import { Front } from './front.ts';
import { SOCKET } from './protocol.ts';

/** The front's process: arguments are the project's name and the environment, the current folder is the state folder. */
export async function main([name = '', environment = '']: readonly string[]): Promise<void> {
  const front = new Front(name, environment);
  process.on('SIGHUP', () => {});
  if (await isTaken()) throw new Error(`a front of ${name}/${environment} is running already`);
  await rm(SOCKET, { force: true });
  await front.sweep();
  const control = await listenForControl(front);
  // One request that goes wrong in a way nobody thought of must not take the service down; before there is one, whoever
  // starts it reads why it ended.
  process.on('uncaughtException', (error) => front.log(`unexpected: ${error.stack ?? messageOf(error)}`));
  front.log(`the front of ${name}/${environment} is up, process ${process.pid}`);
  let ending = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      void front.shutDown().finally(() => {
        control.close(() => process.exit(0));
        control.closeAllConnections();
      });
    });
  }
}

async function isTaken(): Promise<boolean> {
  return ask({ socketPath: SOCKET }, { path: '/status', timeoutSeconds: 5 }).then(
    () => true,
    () => false,
  );
}
