import type { Digest } from '../lib/digest.ts';
import { MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Check, Outcome } from '../records/deployment.ts';
import type { Probing } from '../records/release.ts';
import type { GoldenResult } from './golden.ts';
import { type Step, TakenOver } from './ledger.ts';
import { askAll, judgeGolden, type Probes, proveServing } from './prove.ts';
import { type Restored, restore } from './restore.ts';
import { Refused, type Target } from './target.ts';
import { askForAWhile } from './window.ts';

export interface RolloutRequest {
  readonly target: Target;
  readonly release: Digest;
  /** What the release has to stand besides its golden requests. */
  readonly probing: Probing | undefined;
  /** What was live last, by the ledger's word: it is started again when nothing else serves in the end. */
  readonly last: { readonly release: Digest; target(): Promise<Target> } | undefined;
  /** What a release has to answer; of one that served before, as far as it is known. */
  probesOf(release: Digest): Promise<Probes>;
  /** Remembers at the target that a step begins. */
  mark(step: Step, before: Digest | null, checks: readonly Check[]): Promise<void>;
  readonly log: Log;
  /** Takes secrets out of what servers said. */
  hide(text: string): string;
  readonly signal: AbortSignal;
}

export interface Rollout {
  readonly outcome: Outcome;
  /** What served when the deploy began, or was brought back. */
  readonly before: Digest | null;
  readonly checks: readonly Check[];
  readonly reason: string | null;
  /** The answers of the new release, asked alone. */
  readonly golden: readonly GoldenResult[];
  /** What the server that failed printed last. */
  readonly lines: readonly string[];
}

/**
 * Brings a release live: started beside what serves, asked, switched to, asked again in public. Whatever fails leaves or
 * puts back what served before, and that is asked, too.
 * Throws UserError when the target can't take the release at all, before anything has changed.
 */
export async function rollOut(request: RolloutRequest): Promise<Rollout> {
  const { target, release, log, hide, signal, probing } = request;
  const probes = await request.probesOf(release);
  const serving = await target.serving();
  const before = serving?.release ?? null;
  const checks: Check[] = [];
  const golden: GoldenResult[] = [];
  const note = ({ name, passed, detail }: Check): void => {
    checks.push({ name, passed, detail: hide(detail) });
    log.info(`${passed ? '✔' : '✘'} ${name}: ${hide(detail)}`);
  };
  const mark = (step: Step): Promise<void> => request.mark(step, before, checks);
  /** Where there is something to undo or to keep, a journal that can't be written (a full disk) is no reason to stop. */
  const tryMark = (step: Step): Promise<void> =>
    mark(step).catch((error: unknown) => {
      if (error instanceof TakenOver) throw error;
      log.warning(`the journal does not say that it is ${step}: ${messageOf(error)}`);
    });

  if (serving?.release === release && serving.asWanted) {
    const problem = await proveServing(target, release, probes, signal).then(
      (found) => void found.forEach(note),
      (error: unknown) => {
        signal.throwIfAborted();
        return hide(messageOf(error));
      },
    );
    if (problem === undefined)
      return { outcome: 'unchanged', before, checks, reason: null, golden, lines: [] };
    log.info(`it serves already, but not as it should (${problem}); another one is started`);
  }

  // So that going back asks no store, which may be gone by then.
  if (before !== null) await request.probesOf(before).catch(() => {});
  let [begun, switched] = [false, false];
  try {
    await mark('starting');
    const started = performance.now();
    const ask = await target.start(signal);
    begun = true;
    note({ name: 'ready', passed: true, detail: `${((performance.now() - started) / 1000).toFixed(1)} s` });
    await mark('probing');
    golden.push(...(await askAll(ask, probes, signal)));
    judgeGolden(golden, note);
    if (probing !== undefined && probing.windowSeconds > 0)
      note(
        await askForAWhile(
          ask,
          probes,
          { name: 'window', seconds: probing.windowSeconds, limits: probing },
          request,
        ),
      );
    signal.throwIfAborted();
    await mark('switching');
    switched = true;
    await target.switch();
    await mark('watching');
    (await proveServing(target, release, probes, signal)).forEach(note);
    if (probing !== undefined && probing.watchSeconds > 0) note(await watch(request, probing, probes));
    signal.throwIfAborted();
    await mark('committing');
    await target.commit();
    await tryMark('recording');
    return { outcome: 'live', before, checks, reason: null, golden, lines: [] };
  } catch (error) {
    if (error instanceof TakenOver || (error instanceof UserError && !begun)) throw error;
    const reason = hide(messageOf(signal.aborted ? signal.reason : error));
    log.warning(reason);
    await tryMark('undoing');
    const restored = await restore(request, { switched, before, note });
    // A fault of ours is told as one, after the undoing.
    if (!signal.aborted && ![Refused, MachineError, UserError].some((known) => error instanceof known))
      throw error;
    return {
      outcome: outcomeOf(restored, switched),
      before: restored.serves ?? before,
      checks,
      reason,
      golden: golden.map((one) => ({ ...one, difference: one.difference && hide(one.difference) })),
      lines: error instanceof Refused ? error.lines.map(hide) : [],
    };
  }
}

/** The release in public, for as long as it is on trial. */
function watch(
  { target, release, log, signal }: RolloutRequest,
  limits: Probing,
  probes: Probes,
): Promise<Check> {
  const stillTrue = async (): Promise<void> => void (await target.identify(release, signal));
  const window = { name: 'watch', seconds: limits.watchSeconds, limits, stillTrue };
  return askForAWhile(target.public, probes, window, { log, signal });
}

function outcomeOf({ proved }: Restored, switched: boolean): Outcome {
  if (!proved) return 'restore-failed';
  return switched ? 'rolled-back' : 'refused';
}
