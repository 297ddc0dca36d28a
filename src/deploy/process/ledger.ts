import { join } from 'node:path';
import { MachineError, UserError } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import { tryJson } from '../../lib/json.ts';
import { BEATS, machineName, pidIn, type SharedLock, takeSharedLock } from '../../lib/shared-lock.ts';
import { type Hold, type Ledger, type Memory, memory } from '../ledger.ts';
import { TOKEN } from './state.ts';

/** How long a lock of another machine is waited for: once its holder is silent for long, it is taken. */
const LONGEST_WAIT_MS = 1.5 * BEATS.patienceMs;

/** The ledger of one machine: a lock, the last fencing token and the memory, in the state folder. */
export class FolderLedger implements Ledger {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async lock(signal: AbortSignal): Promise<Hold> {
    const here = `${await machineName()}.`;
    const begin = performance.now();
    const lock = await takeSharedLock(join(this.#folder, 'lock'), {
      signal,
      onWait: (holder) => {
        if (holder.startsWith(here) || performance.now() - begin > LONGEST_WAIT_MS)
          throw held(this.#folder, holder);
      },
    });
    try {
      const token = (await this.#token()) + 1;
      await writeWhole(this.#tokenFile, String(token));
      return this.#hold(lock, token);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  #hold({ lost, release }: SharedLock, token: number): Hold {
    const file = join(this.#folder, 'deploy.json');
    return {
      token,
      lost,
      release,
      read: async () => read(file, await readIfThere(file)),
      write: async (next) => {
        const newest = await this.#token();
        if (newest !== token)
          throw new MachineError(
            `another deploy has taken ${this.#folder} over (token ${newest}, ours is ${token})`,
          );
        await writeWhole(file, JSON.stringify(next));
      },
    };
  }

  get #tokenFile(): string {
    return join(this.#folder, TOKEN);
  }

  async #token(): Promise<number> {
    return Number((await readIfThere(this.#tokenFile)) ?? 0);
  }
}

function held(folder: string, holder: string): UserError {
  return new UserError(
    `a deploy to ${folder} is being done already, by process ${pidIn(holder)}; wait for its end, or end it. In a workflow, concurrency: {group: NAME/ENVIRONMENT, queue: max} makes jobs wait`,
  );
}

function read(file: string, text: string | undefined): Memory {
  if (text === undefined) return {};
  const { data, error } = memory.safeParse(tryJson(text));
  if (error !== undefined)
    throw new UserError(
      `${file} is not what this version of Trainyard writes: ${error.issues[0]?.message}; use the version that wrote it, or remove the file when no deploy is under way`,
    );
  return data;
}
