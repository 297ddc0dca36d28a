import { join } from 'node:path';
import { namingDisk } from '../../lib/disk-full.ts';
import { UserError } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import { tryJson } from '../../lib/json.ts';
import {
  BEATS,
  type Beats,
  machineName,
  pidIn,
  type SharedLock,
  takeSharedLock,
} from '../../lib/shared-lock.ts';
import { type Hold, type Ledger, type Memory, memory, TakenOver } from '../ledger.ts';
import { FrontClient } from './front-client.ts';
import { TOKEN } from './state.ts';

/** The ledger of one machine: a lock, the last fencing token and the memory, in the state folder. */
export class FolderLedger implements Ledger {
  readonly #folder: string;
  readonly #beats: Beats;

  constructor(folder: string, beats = BEATS) {
    this.#folder = folder;
    this.#beats = beats;
  }

  async lock(signal: AbortSignal): Promise<Hold> {
    const here = `${await machineName()}.`;
    // A lock of another machine is waited for: once its holder is silent for long, it is taken.
    const until = performance.now() + 1.5 * this.#beats.patienceMs;
    const lock = await takeSharedLock(join(this.#folder, 'lock'), {
      signal,
      beats: this.#beats,
      onWait: (holder) => {
        if (holder.startsWith(here) || performance.now() > until) throw held(this.#folder, holder, here);
      },
    });
    try {
      const token = (await this.#token()) + 1;
      await writeWhole(this.#tokenFile, String(token));
      // From here on a front that runs takes nothing from a holder before.
      await new FrontClient(this.#folder, token).find();
      return this.#hold(lock, token);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  #hold({ lost, release }: SharedLock, token: number): Hold {
    const file = join(this.#folder, 'deploy.json');
    const check = async (): Promise<void> => {
      const newest = await this.#token();
      if (newest !== token)
        throw new TakenOver(
          `another deploy has taken ${this.#folder} over, as this one showed no sign of life (token ${newest}, ours is ${token}); this one stops`,
        );
    };
    return {
      token,
      lost,
      release,
      check,
      read: async () => read(file, await readIfThere(file)),
      write: async (next) => {
        await check();
        await writeWhole(file, JSON.stringify(next)).catch(async (error: unknown) => {
          throw await namingDisk(error, [file]);
        });
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

function held(folder: string, holder: string, here: string): UserError {
  const where = holder.startsWith(here) ? '' : ' of another machine';
  return new UserError(
    `a deploy to ${folder} is being done already, by process ${pidIn(holder)}${where}; wait for its end, or end it. In a workflow, concurrency: {group: NAME/ENVIRONMENT, queue: max} makes jobs wait`,
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
