import type { Digest } from '../lib/digest.ts';
import { MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Check, Outcome } from '../records/deployment.ts';
import type { GoldenResult } from './golden.ts';
import { askAll, judgeGolden, type Probes, proveServing } from './prove.ts';
import { Refused, type Target } from './target.ts';

export interface RolloutRequest {
  readonly target: Target;
  readonly release: Digest;
  /** What a release has to answer; of one that served before, as far as it is known. */
  probesOf(release: Digest): Promise<Probes>;
  readonly log: Log;
  /** Takes secrets out of what servers said. */
  hide(text: string): string;
  readonly signal: AbortSignal;
}

export interface Rollout {
  readonly outcome: Outcome;
  /** What served when the deploy began. */
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
  const { target, release, log, hide, signal } = request;
  const probes = await request.probesOf(release);
  const serving = await target.serving();
  const before = serving?.release ?? null;
  const checks: Check[] = [];
  const golden: GoldenResult[] = [];
  const note = ({ name, passed, detail }: Check): void => {
    checks.push({ name, passed, detail: hide(detail) });
    log.info(`${passed ? '✔' : '✘'} ${name}: ${hide(detail)}`);
  };
  const end = (outcome: Outcome, reason: string | null = null, lines: readonly string[] = []): Rollout => {
    const answers = golden.map((result) => ({
      ...result,
      difference: result.difference && hide(result.difference),
    }));
    return { outcome, before, checks, reason, golden: answers, lines };
  };

  if (serving?.release === release && serving.asWanted) {
    const [found, problem] = await attempt(() => proveServing(target, release, probes));
    if (found !== undefined) {
      found.forEach(note);
      return end('unchanged');
    }
    log.info(`it serves already, but not as it should (${hide(messageOf(problem))}); another one is started`);
  }

  let switched = false;
  try {
    const started = performance.now();
    const place = await target.start(signal);
    note({ name: 'ready', passed: true, detail: `${((performance.now() - started) / 1000).toFixed(1)} s` });
    golden.push(...(await askAll(place, probes, signal)));
    judgeGolden(golden, note);
    signal.throwIfAborted();
    await target.switch();
    switched = true;
    (await proveServing(target, release, probes)).forEach(note);
    await target.commit();
    return end('live');
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = signal.aborted ? 'cancelled' : hide(messageOf(error));
    log.warning(reason);
    const restored = await restore(request, switched, before, note);
    // A fault of ours is told as one, after the undoing.
    if (!signal.aborted && !(error instanceof Refused) && !(error instanceof MachineError)) throw error;
    const outcome = !restored ? 'restore-failed' : switched ? 'rolled-back' : 'refused';
    return end(outcome, reason, error instanceof Refused ? error.lines : []);
  }
}

/** Undoes what was begun, and proves what served before. */
async function restore(
  { target, probesOf }: RolloutRequest,
  switched: boolean,
  before: Digest | null,
  note: (check: Check) => void,
): Promise<boolean> {
  const [checks, problem] = await attempt(async () => {
    await (switched ? target.revert() : target.abandon());
    return before === null ? [] : proveServing(target, before, await probesOf(before));
  });
  for (const check of checks ?? []) note({ ...check, name: `${check.name} (the one before)` });
  if (checks === undefined) note({ name: 'the one before', passed: false, detail: messageOf(problem) });
  return checks !== undefined;
}

async function attempt<T>(work: () => Promise<T>): Promise<[T, undefined] | [undefined, unknown]> {
  try {
    return [await work(), undefined];
  } catch (error) {
    return [undefined, error];
  }
}
