import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { endMarked } from '../../lib/descendants.ts';
import { codeOf, MachineError } from '../../lib/errors.ts';
import { lives, pidNamespace } from '../../lib/holder.ts';
import { type Filed, readEntries } from './entry.ts';

/** How often a holder shows that it lives, for those who can't see its process. */
export const BEAT_MS = 5000;
const GRACE_SECONDS = 5;

/** Removes the leases of trainings that ended without letting go; what they left running is ended before. */
export async function sweepLeases(folder: string): Promise<void> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) return;
  await new Census(folder, await pidNamespace()).others('');
}

/**
 * Tells which entries count. In one's own namespace: those whose holder lives; what a dead one left running is ended first,
 * because it may use the GPU. In another: those whose file was touched of late, by the clock of who looks on, so that
 * neither a wrong clock nor one that jumps matters.
 */
export class Census {
  readonly #folder: string;
  readonly #namespace: string;
  readonly #patienceMs: number;
  readonly #beats = new Map<string, { beat: number; since: number }>();
  readonly #swept = new Set<string>();

  constructor(folder: string, namespace: string, patienceMs = 12 * BEAT_MS) {
    this.#folder = folder;
    this.#namespace = namespace;
    this.#patienceMs = patienceMs;
  }

  /** Entries that count, but for one's own, the first in the queue first. Those that don't are removed. */
  async others(own: string): Promise<Filed[]> {
    const counting: Filed[] = [];
    for (const entry of await readEntries(this.#folder)) {
      if (entry.file === own) continue;
      if (await this.#counts(entry)) counting.push(entry);
      // Another user's stays, and goes on not to count.
      else await unlink(join(this.#folder, entry.file)).catch(() => {});
    }
    return counting;
  }

  async #counts({ file, holder, namespace, marker }: Filed): Promise<boolean> {
    if (namespace !== this.#namespace) return this.#beatsStill(file);
    if (await lives(holder)) return true;
    // A marker that names another holder is not this one's to be ended.
    if (!marker.includes(`-${holder}.`) || this.#swept.has(file)) return false;
    try {
      await endMarked(marker, GRACE_SECONDS);
    } catch (error) {
      if (error instanceof MachineError) return true; // something can't be ended, and goes on to use it
      throw error;
    }
    this.#swept.add(file);
    return false;
  }

  async #beatsStill(file: string): Promise<boolean> {
    const now = performance.now();
    try {
      const { mtimeMs: beat } = await stat(join(this.#folder, file));
      const known = this.#beats.get(file);
      if (known?.beat === beat) return now - known.since < this.#patienceMs;
      this.#beats.set(file, { beat, since: now });
      return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
  }
}
