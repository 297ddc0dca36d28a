import canonicalize from 'canonicalize';
import { z } from 'zod';
import { type Digest, digestOf } from './digest.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Far more levels than a value of anybody's has: what reaches them holds itself. */
const ENDLESS = 1000;

/** Any JSON value, numbers finite. What is none inside of it is told at its own place. */
export const json = z
  .unknown()
  .refine(isJson, 'a JSON value; .nan and .inf are none')
  .check(({ value, issues }) => {
    const found = issues.splice(0);
    issues.push(...found.flatMap((issue) => wrongIn(value).map((path) => ({ ...issue, path }))));
  });

function isJson(value: unknown, depth = 0): value is Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      if (value === null) return true;
      if (depth > ENDLESS) return false;
      return Array.isArray(value)
        ? value.every((item) => isJson(item, depth + 1))
        : isPlain(value) && Object.values(value).every((item) => isJson(item, depth + 1));
    default:
      return false;
  }
}

/** The paths of what is no JSON in a value that is none itself. */
function wrongIn(value: unknown, path: PropertyKey[] = [], around: readonly unknown[] = []): PropertyKey[][] {
  if (around.includes(value)) return [path];
  const inside = insideOf(value).filter(([, item]) => !isJson(item));
  if (inside.length === 0) return [path];
  return inside.flatMap(([key, item]) => wrongIn(item, [...path, key], [...around, value]));
}

function insideOf(value: unknown): readonly (readonly [PropertyKey, unknown])[] {
  if (Array.isArray(value)) return [...value.entries()];
  return typeof value === 'object' && value !== null && isPlain(value) ? Object.entries(value) : [];
}

function isPlain(value: object): boolean {
  return [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

/** What a text says as JSON; undefined when it is none. Whoever expects a form checks it then. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a whole number, as it is written, is another one than the value that it was read as. */
export function isRounded(text: string, value: number): boolean {
  return !Number.isSafeInteger(value) && /^[-+]?(0[xo][\da-f]+|\d+)$/i.test(text);
}

/** The canonical bytes of a JSON value (RFC 8785): the same value has the same bytes, whoever writes it. */
export function canonicalBytes(value: unknown): Buffer {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return Buffer.from(text, 'utf8');
}

/** The digest of a JSON value's canonical bytes. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalBytes(value));
}

/** A value with every text in it changed; keys stay as they are. */
export function mapTexts(
  value: Json,
  change: (text: string, path: readonly PropertyKey[]) => string,
  path: readonly PropertyKey[] = [],
): Json {
  if (typeof value === 'string') return change(value, path);
  if (isList(value)) return value.map((item, index) => mapTexts(item, change, [...path, index]));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapTexts(item, change, [...path, key])]),
  );
}

/** All texts in a value, keys included. */
export function textsIn(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (isList(value)) return value.flatMap(textsIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [key, ...textsIn(item)]);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** A deterministic order for names: by their UTF-8 bytes, as git and OCI tools sort. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
