import type { z } from 'zod';
import { userErrors } from '../lib/errors.ts';
import { openYaml, type Path, type YamlSource } from './yaml-source.ts';

/** A YAML file that was read by its schema, and knows where its values stand. */
export interface YamlFile<T> {
  readonly value: T;
  /** `file:line:column` of a value, or of the nearest one around it. */
  place(path: Path): string;
}

/**
 * Parses YAML 1.2 (core schema; duplicate keys and alias bombs refused).
 * @throws UserError with every mistake, each with file, line and column
 */
export function parseYaml<T>(file: string, text: string, schema: z.ZodType<T>): YamlFile<T> {
  return checkYaml(openYaml(file, text), schema);
}

/** Its second half: the values by a schema. @throws UserError with every mistake, in the order of the file */
export function checkYaml<T>({ file, value, place }: YamlSource, schema: z.ZodType<T>): YamlFile<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data, place };
  const problems = parsed.error.issues
    .flatMap((issue) => describe(issue, value))
    .map(({ path, key, message }) => ({ place: place(path, key), message }))
    .sort((a, b) => byPlace(a.place, b.place));
  throw userErrors(
    `${file} has mistakes`,
    problems.map((problem) => `${problem.place}: ${problem.message}`),
  );
}

/** The order of places: by file, line and column. */
export function byPlace(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

interface Problem {
  readonly path: Path;
  readonly key?: string;
  readonly message: string;
}

/** One problem for each unknown key, so that each has its own line; the rest without the library's own phrases. */
function describe(issue: z.core.$ZodIssue, value: unknown): Problem[] {
  const name = issue.path.map(String).join('.');
  const prefix = name === '' ? '' : `${name}: `;
  if (issue.code === 'invalid_key') {
    const [why] = issue.issues;
    return [
      { path: issue.path.slice(0, -1), key: String(issue.path.at(-1)), message: `${prefix}${why?.message}` },
    ];
  }
  const meant = issue.code === 'invalid_union' ? formMeant(issue, valueAt(value, issue.path)) : undefined;
  if (meant !== undefined)
    return meant.flatMap((inner) => describe({ ...inner, path: [...issue.path, ...inner.path] }, value));
  if (issue.code !== 'unrecognized_keys') {
    const expected = issue.message
      .replace(/^Invalid (input: |option: |discriminator value\. )/, '')
      .replace(', received undefined', '');
    const found = valueAt(value, issue.path);
    // Of a value of the wrong type the message says what was found; of one that is no choice, it does not.
    const choice = typeof found === 'string' && /^expected (?!.*, received )/i.test(expected);
    const told = found === undefined ? 'missing; ' : choice ? `${JSON.stringify(found)} is not known; ` : '';
    return [{ path: issue.path, message: prefix + told + expected.replace(/^E/, 'e') }];
  }
  const allowed = issue.message.replace(/^.*; /, '');
  return issue.keys.map((key) => ({
    path: issue.path,
    key,
    message: `${prefix}unknown key ${JSON.stringify(key)}; ${allowed}`,
  }));
}

/** Of several forms, what is wrong with the one that alone is of the value's type, or knows a key of it; undefined when that says nothing. */
function formMeant({ errors }: z.core.$ZodIssueInvalidUnion, value: unknown): z.core.$ZodIssue[] | undefined {
  const alike = errors.filter(
    (issues) => !issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0),
  );
  if (alike.length === 1) return alike[0];
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  for (const key of keys) {
    const knowing = errors.filter(
      (issues) => !issues.some((issue) => issue.code === 'unrecognized_keys' && issue.keys.includes(key)),
    );
    if (knowing.length === 1) return knowing[0];
  }
  return undefined;
}

/** What stands at a path in a value; undefined where there is nothing. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inside, part) =>
      typeof inside === 'object' && inside !== null
        ? Object.entries(inside).find(([key]) => key === String(part))?.[1]
        : undefined,
    value,
  );
}
