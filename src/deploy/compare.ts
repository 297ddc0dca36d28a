import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../lib/json.ts';

/**
 * Compares an answer with the one that is expected: every key that is expected must be there, keys beyond are ignored, and
 * numbers may differ by `tolerance` relative to the larger one (below 1e-5, relative to 1e-5).
 * Gives the first difference with its place, or undefined.
 */
export function differenceOf(expected: Json, found: unknown, tolerance: number, at = ''): string | undefined {
  if (typeof expected === 'number' && typeof found === 'number') {
    const room = tolerance * Math.max(Math.abs(expected), Math.abs(found), 1e-5);
    return Math.abs(expected - found) <= room ? undefined : tell(at, expected, found);
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(found)) return tell(at, expected, found);
    if (found.length !== expected.length)
      return `${at || 'the body'}: expected ${expected.length} elements, answered ${found.length}`;
    return first(expected.map((item, i) => () => differenceOf(item, found[i], tolerance, `${at}[${i}]`)));
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return tell(at, expected, found);
    return first(
      Object.entries(expected).map(([key, item]) => () => {
        const path = at === '' ? key : `${at}.${key}`;
        return Object.hasOwn(found, key)
          ? differenceOf(item, Reflect.get(found, key), tolerance, path)
          : `${path}: expected ${short(item)}, and it is missing`;
      }),
    );
  }
  return isDeepStrictEqual(expected, found) ? undefined : tell(at, expected, found);
}

function first(parts: readonly (() => string | undefined)[]): string | undefined {
  for (const part of parts) {
    const difference = part();
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function tell(at: string, expected: Json, found: unknown): string {
  return `${at || 'the body'}: expected ${short(expected)}, answered ${short(found)}`;
}

/** A value on one line, cut where it is long. */
export function short(value: unknown): string {
  const text = typeof value === 'string' ? value : String(JSON.stringify(value));
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
