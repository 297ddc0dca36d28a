import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Environment, pick } from '../../lib/environment.ts';
import { MachineError } from '../../lib/errors.ts';
import { type Exit, launch } from '../../lib/process.ts';
import { FrontClient } from './front-client.ts';

/** More than a front takes to end what one before it has left: 5 s of grace, and 30 s until it gives up. */
const LIMIT_SECONDS = 45;

export interface FrontPlace {
  /** The state folder of the project and environment. */
  readonly state: string;
  readonly name: string;
  readonly environment: string;
  /** The fencing token of the deploy that will tell it. */
  readonly token?: number;
  /** The machine's variables, of which the front gets the few that node needs. */
  readonly env: Environment;
  /** Gives what starts a front; called only when none runs. */
  command(): Promise<readonly string[]>;
  /** How long a front may take until it listens. */
  readonly limitSeconds?: number;
}

/** Gives a client of the front that runs here, started if none does. It outlives this process and its job. */
export async function ensureFront(place: FrontPlace): Promise<FrontClient> {
  const client = new FrontClient(place.state, place.token);
  if ((await client.find()) !== undefined) return client;
  const output = join(place.state, 'front.out');
  await rm(output, { force: true });
  const argv = [...(await place.command()), place.name, place.environment];
  const { pid, exited } = await launch(argv, { cwd: place.state, env: frontEnvironment(place.env), output });
  let exit: Exit | undefined;
  void exited.then((found) => {
    exit = found;
  });
  const { limitSeconds = LIMIT_SECONDS } = place;
  let isUp = false;
  try {
    for (const end = Date.now() + limitSeconds * 1000; Date.now() < end; await sleep(25)) {
      isUp = (await client.find()) !== undefined;
      if (isUp) return client;
      if (exit !== undefined) break;
    }
  } finally {
    // One that is only slow would come up when nobody waits for it.
    if (!isUp && exit === undefined) process.kill(pid, 'SIGKILL');
  }
  const said = (await readFile(output, 'utf8')).trimEnd().split('\n').slice(-20).join('\n');
  throw new MachineError(`the front did not start (${output}): ${said || 'it said nothing'}`);
}

/** Nothing of the job, so that the runner does not take the front for its own and end it. */
export function frontEnvironment(env: Environment): Record<string, string> {
  return pick(env, (name) => /^(PATH|HOME|LANG|LC_[A-Z]+|TZ)$/.test(name));
}
