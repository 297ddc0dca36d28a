import { z } from 'zod';
import { MachineError } from '../lib/errors.ts';
import { cause, check } from '../records/deployment.ts';
import { digest } from '../records/oci.ts';

/**
 * Where a deploy is: `starting` a server beside what serves · `probing` it alone · `switching` to it · `watching` it in public ·
 * `committing`: what served before may go · `recording` what came of it · `undoing` it.
 */
export const step = z.enum([
  'starting',
  'probing',
  'switching',
  'watching',
  'committing',
  'recording',
  'undoing',
]);
export type Step = z.infer<typeof step>;

/** A deploy under way, as the target remembers it: who comes after one that was killed finishes or undoes it by this. */
export const journal = z.strictObject({
  token: z.int().positive(),
  release: digest,
  step,
  /** What served when it began. */
  before: digest.nullable(),
  startedAt: z.iso.datetime(),
  checks: z.array(check),
  cause: cause.optional(),
  holds: digest.optional(),
  lifts: z.literal(true).optional(),
});
export type Journal = z.infer<typeof journal>;

/** What was made live last, proved. It may have ended since. */
export const pointer = z.strictObject({ release: digest, token: z.int().positive() });
export type Pointer = z.infer<typeof pointer>;

/** What a target remembers of its deploys, whoever deploys and from wherever. */
export const memory = z.strictObject({ journal: journal.optional(), live: pointer.optional() });
export type Memory = z.infer<typeof memory>;

/** A later deploy took this one for dead and holds the lock now: this one must change nothing more. */
export class TakenOver extends MachineError {
  override name = 'TakenOver';
}

/** The lock of one project's environment at its target, and what is kept under it. */
export interface Ledger {
  /**
   * Takes the lock; one whose holder is gone is taken over.
   * @throws UserError naming the holder while another deploy is under way
   */
  lock(signal: AbortSignal): Promise<Hold>;
}

/** The lock while it is held. */
export interface Hold {
  /** Greater than that of every holder before: what an older one still tells the target is refused. */
  readonly token: number;
  /** Rejects when another took it over; pending otherwise. */
  readonly lost: Promise<never>;
  read(): Promise<Memory>;
  /** Replaces all of it, in one step. @throws TakenOver when another holder has come */
  write(memory: Memory): Promise<void>;
  /** For what is done beside the ledger. @throws TakenOver when another holder has come */
  check(): Promise<void>;
  release(): Promise<void>;
}
