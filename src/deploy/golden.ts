import { z } from 'zod';
import { messageOf, UserError, userErrors } from '../lib/errors.ts';
import { json } from '../lib/json.ts';
import { differenceOf, short } from './compare.ts';
import type { Ask } from './target.ts';

const TIMEOUT_SECONDS = 30;

const goldenRequest = z.strictObject({
  request: z.strictObject({
    method: z.string().regex(/^[A-Z]+$/, 'an HTTP method in capitals'),
    path: z.string().startsWith('/'),
    headers: z.record(z.string(), z.string()).default({}),
    /** Sent as JSON, a text as it is. */
    body: json.optional(),
  }),
  response: z.strictObject({ status: z.int().default(200), body: json.optional() }),
});

/** A request with the answer that a server of this model has to give. */
export interface Golden extends z.infer<typeof goldenRequest> {
  /** In the file of golden requests, from 1. */
  readonly line: number;
}

export interface GoldenResult {
  readonly golden: Golden;
  /** Undefined when the answer is as expected. */
  readonly difference: string | undefined;
  readonly milliseconds: number;
  /** False when there was no whole answer. */
  readonly answered: boolean;
}

/** Reads JSON Lines of requests and answers. Every bad line at once. */
export function parseGolden(text: string, file: string): Golden[] {
  const problems: string[] = [];
  const found: Golden[] = [];
  text.split('\n').forEach((content, index) => {
    if (content.trim() === '') return;
    const place = `${file}:${index + 1}`;
    try {
      const parsed = goldenRequest.safeParse(JSON.parse(content));
      if (parsed.success) found.push({ ...parsed.data, line: index + 1 });
      else
        problems.push(
          ...parsed.error.issues.map(({ path, message }) => `${place}: ${path.join('.')}: ${message}`),
        );
    } catch (error) {
      problems.push(`${place}: ${messageOf(error)}`);
    }
  });
  if (problems.length > 0)
    throw userErrors(
      'the golden requests have not the form {"request": {"method", "path", "body"}, "response": {"status", "body"}}',
      problems,
    );
  if (found.length === 0) throw new UserError(`${file} holds no golden request; leave server.golden out`);
  return found;
}

/** Asks one golden request, and compares the answer. */
export async function askGolden(
  ask: Ask,
  golden: Golden,
  tolerance: number,
  signal?: AbortSignal,
): Promise<GoldenResult> {
  const { method, path, headers, body } = golden.request;
  const type = typeof body === 'object' ? { 'content-type': 'application/json' } : {};
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const started = performance.now();
  const result = await ask({
    method,
    path,
    headers: { ...type, ...headers },
    timeoutSeconds: TIMEOUT_SECONDS,
    signal,
    ...sent,
  }).then(
    (answer) => ({ difference: judge(golden, answer.status, answer.body, tolerance), answered: true }),
    (error: unknown) => {
      signal?.throwIfAborted();
      return { difference: messageOf(error), answered: false };
    },
  );
  return { golden, ...result, milliseconds: performance.now() - started };
}

function judge({ response }: Golden, status: number, body: string, tolerance: number): string | undefined {
  if (status !== response.status)
    return `expected status ${response.status}, answered ${status}: ${short(body.trim())}`;
  if (response.body === undefined) return undefined;
  return differenceOf(response.body, typeof response.body === 'string' ? body : parsed(body), tolerance);
}

/** What is not JSON is told as the text that it is. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** The value below which a share of the sorted values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
