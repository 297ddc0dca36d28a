/** What a load client saw, told shortly. */
import { z } from 'zod';

/** One request that has ended. */
export interface Answer {
  /** When it was to be sent, in milliseconds since the client began. */
  readonly due: number;
  /** When it was sent. */
  readonly sent: number;
  /** From when it was due to the last byte of the answer, or to the failure. */
  readonly milliseconds: number;
  /** Of the release that answered; null when the answer names none. */
  readonly release?: string | null;
  readonly failure?: string;
}

const times = z.object({ p50: z.number(), p95: z.number(), p99: z.number(), most: z.number() });

export const loadReport = z.object({
  seconds: z.number(),
  /** Requests that have ended, well or not. */
  asked: z.int(),
  failed: z.int(),
  failures: z.array(
    z.object({
      reason: z.string(),
      count: z.int(),
      /** Seconds since the client began. */
      first: z.number(),
      last: z.number(),
    }),
  ),
  /**
   * Which release answered, one after the other; one that comes back is listed again. Of requests that were open at once nobody
   * knows which was taken first: they count in the order that has the fewest changes.
   */
  releases: z.array(z.object({ release: z.string().nullable(), count: z.int(), first: z.number() })),
  /** Milliseconds of the requests that were answered; all 0 when none was. */
  latency: times,
});
export type LoadReport = z.infer<typeof loadReport>;

export function reportOf(answers: readonly Answer[], milliseconds: number): LoadReport {
  const sorted = [...answers].sort((a, b) => a.due - b.due);
  const failures = new Map<string, LoadReport['failures'][number]>();
  for (const { due, failure } of sorted) {
    if (failure === undefined) continue;
    const last = due / 1000;
    const { count = 0, first = last } = failures.get(failure) ?? {};
    failures.set(failure, { reason: failure, count: count + 1, first, last });
  }
  const answered = sorted.filter(({ failure }) => failure === undefined);
  const latencies = answered.map((answer) => answer.milliseconds).sort((a, b) => a - b);
  const percentile = (part: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return {
    seconds: milliseconds / 1000,
    asked: sorted.length,
    failed: sorted.length - answered.length,
    failures: [...failures.values()],
    releases: inTurn(answered),
    latency: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99), most: percentile(1) },
  };
}

function inTurn(answered: readonly Answer[]): LoadReport['releases'] {
  const endOf = ({ due, milliseconds }: Answer): number => due + milliseconds;
  const turns: LoadReport['releases'] = [];
  let left = [...answered].sort((a, b) => endOf(a) - endOf(b));
  for (let [next] = left; next !== undefined; [next] = left) {
    const { release = null } = next;
    const isOurs = (answer: Answer): boolean => (answer.release ?? null) === release;
    // The first that another release had answered; what was sent before that may have been answered before.
    const other = left.find((answer) => !isOurs(answer));
    const limit = other === undefined ? Number.POSITIVE_INFINITY : endOf(other);
    const isNow = (answer: Answer): boolean => isOurs(answer) && answer.sent < limit;
    turns.push({ release, count: left.filter(isNow).length, first: next.sent / 1000 });
    left = left.filter((answer) => !isNow(answer));
  }
  return turns;
}
