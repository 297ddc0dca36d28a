import type { Digest } from '../lib/digest.ts';
import type { Check } from '../records/deployment.ts';
import { askGolden, type Golden, type GoldenResult, percentile } from './golden.ts';
import { type Ask, Refused, type Target } from './target.ts';

/** What a release has to answer. */
export interface Probes {
  readonly golden: readonly Golden[];
  readonly tolerance: number;
  /** The path at which it says that it is ready. */
  readonly ready: string;
}

/** How many golden requests are asked in public, where users wait, too. */
const IN_PUBLIC = 3;

/** Asks golden requests, one after another; up to one that gets no answer. */
export async function askAll(
  ask: Ask,
  { golden, tolerance }: Probes,
  signal?: AbortSignal,
): Promise<GoldenResult[]> {
  const results: GoldenResult[] = [];
  for (const request of golden) {
    const result = await askGolden(ask, request, tolerance, signal);
    results.push(result);
    if (!result.answered) break;
  }
  return results;
}

/** What golden requests came to. Throws Refused with the first difference, after `note` was told. */
export function judgeGolden(results: readonly GoldenResult[], note: (check: Check) => void): void {
  if (results.length === 0) return;
  const differing = results.filter(({ difference }) => difference !== undefined);
  note({
    name: 'golden requests',
    passed: differing.length === 0,
    detail: `${results.length - differing.length} of ${results.length}, ${latencyOf(results)}`,
  });
  const [first] = differing;
  if (first === undefined) return;
  throw new Refused(
    `${differing.length} of ${results.length} golden requests differ; the first is line ${first.golden.line}: ${first.difference}`,
  );
}

/**
 * Proves in public that a release serves: by the target's own word, and by a few golden requests.
 * Throws Refused or MachineError when it does not, the reason of `signal` when aborted.
 */
export async function proveServing(
  target: Target,
  release: Digest,
  probes: Probes,
  signal?: AbortSignal,
): Promise<Check[]> {
  const detail = await target.identify(release, signal);
  const checks: Check[] = [{ name: 'release in public', passed: true, detail }];
  const some = { ...probes, golden: probes.golden.slice(0, IN_PUBLIC) };
  const results = await askAll(target.public, some, signal);
  const differing = results.find(({ difference }) => difference !== undefined);
  if (differing !== undefined)
    throw new Refused(`in public, golden request ${differing.golden.line}: ${differing.difference}`);
  if (results.length > 0)
    checks.push({
      name: 'golden requests in public',
      passed: true,
      detail: `${results.length} of ${results.length}, ${latencyOf(results)}`,
    });
  return checks;
}

/** Times of answers, in milliseconds. */
export function latencyOf(results: readonly GoldenResult[]): string {
  const times = results.map(({ milliseconds }) => milliseconds);
  return `p50 ${percentile(times, 0.5).toFixed(0)} ms, p95 ${percentile(times, 0.95).toFixed(0)} ms`;
}
