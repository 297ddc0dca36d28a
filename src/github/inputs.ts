import { parse } from 'yaml';
import { z } from 'zod';
import { type Digest, parseDigest } from '../lib/digest.ts';
import { messageOf, UserError, userErrors } from '../lib/errors.ts';
import { type JsonObject, json, tryJson } from '../lib/json.ts';
import { DEEPEST, isTooDeep } from '../lib/yaml-depth.ts';
import { flag } from './flag.ts';
import { plainHosts } from './plain-http.ts';

export { flag };

/** Turns the text of an input into its type; throws a UserError that names the input. */
export type Reader<T> = (text: string, name: string) => T;
export type Readers = Readonly<Record<string, Reader<unknown>>>;
export type Inputs<R extends Readers> = { readonly [K in keyof R]: ReturnType<R[K]> };

const text: Reader<string> = (value) => value;

const digest: Reader<Digest> = (value, name) => parseDigest(value, `input ${name}`);

/** A mapping as JSON or YAML; empty for none. */
export const mapping: Reader<JsonObject> = (value, name) => {
  if (value.trim() === '') return {};
  if (isTooDeep(value)) throw new UserError(`input ${name} has more than ${DEEPEST} levels`);
  let parsed = writtenJson(value);
  try {
    parsed ??= parse(value, { maxAliasCount: 20, prettyErrors: false });
  } catch (cause) {
    throw new UserError(`input ${name} is neither JSON nor YAML`, { cause });
  }
  const result = z.record(z.string(), json).safeParse(parsed);
  if (!result.success)
    throw new UserError(`input ${name} must be a mapping of names to values, as JSON or YAML`);
  return result.data;
};

/** JSON as programs write it, GitHub's `toJSON` too: no key is there twice, and it needs no parser that knows of places. */
function writtenJson(text: string): unknown {
  const value = tryJson(text);
  return [undefined, 2].some((space) => JSON.stringify(value, null, space) === text.trim())
    ? value
    : undefined;
}

const commit: Reader<string> = (value, name) => {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(value)) return value;
  throw new UserError(
    `input ${name} is ${JSON.stringify(value)}; give a whole commit id, 40 hexadecimal digits`,
  );
};

function required<T>(reader: Reader<T>): Reader<T> {
  return (value, name) => {
    if (value === '') throw new UserError(`input ${name} is required`);
    return reader(value, name);
  };
}

/** Empty means that the input was not set. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, name) => (value === '' ? undefined : reader(value, name));
}

export const requiredText = required(text);
export const optionalText = optional(text);
export const requiredDigest = required(digest);
export const optionalDigest = optional(digest);
export const optionalCommit = optional(commit);

/** Of every action that opens a store: which hosts may be spoken to without TLS. Read where a store is opened. */
export const plainHttpInput = { 'plain-http': plainHosts };
/** The same for the hosted and target zones, which may show a registry of GitHub's the job's token. */
export const registryInputs = { token: optionalText, ...plainHttpInput };

/** Reads all inputs, and reports every bad one at once. */
export function readInputs<R extends Readers>(readers: R, read: (name: string) => string): Inputs<R> {
  const problems: string[] = [];
  const entries = Object.entries(readers).map(([name, reader]) => {
    try {
      return [name, reader(read(name), name)];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(messageOf(error));
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw userErrors('the inputs cannot be used', problems);
  return Object.fromEntries(entries);
}
