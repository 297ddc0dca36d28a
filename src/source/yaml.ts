import { isMap, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { UserError, userErrors } from '../lib/errors.ts';
import { DEEPEST, isTooDeep } from '../lib/yaml-depth.ts';

type Path = readonly PropertyKey[];

/** A YAML file that was read by its schema, and knows where its values stand. */
export interface YamlFile<T> {
  readonly value: T;
  /** `file:line:column` of a value, or of the nearest one around it. */
  place(path: Path): string;
}

/** A YAML text that was read, and is yet to be checked. */
export interface YamlSource {
  readonly file: string;
  readonly value: unknown;
  /** `file:line:column` of a value, or of its key `key`, or of the nearest thing around them. */
  place(path: Path, key?: string): string;
}

/**
 * Parses YAML 1.2 (core schema; duplicate keys and alias bombs refused).
 * @throws UserError with every mistake, each with file, line and column
 */
export function parseYaml<T>(file: string, text: string, schema: z.ZodType<T>): YamlFile<T> {
  return checkYaml(openYaml(file, text), schema);
}

/** The first half of it. @throws UserError for what is no YAML at all */
export function openYaml(file: string, text: string): YamlSource {
  if (isTooDeep(text)) throw new UserError(`${file} cannot be read: it has more than ${DEEPEST} levels`);
  const lines = new LineCounter();
  const document = parseDocument(text.replace(/^\uFEFF/, ''), {
    lineCounter: lines,
    version: '1.2',
    stringKeys: true,
  });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const syntax = [...document.errors, ...document.warnings].map(
    (error) => `${at(error.pos[0])}: ${error.message.replace(/ at line \d+, column \d+:[\s\S]*$/, '')}`,
  );
  // Schemas pass over this one key in silence.
  visit(document, {
    Pair: (_key, { key }) => {
      if (isScalar(key) && key.value === '__proto__')
        syntax.push(`${at(rangeOf(key))}: a key can't be named __proto__`);
    },
  });
  if (syntax.length > 0) throw userErrors(`${file} is not YAML`, syntax);
  return {
    file,
    value: toValue(document, file),
    place: (path, key) => at(offsetOf(document.contents, path, key)),
  };
}

/** The second half: its values by a schema. @throws UserError with every mistake, in the order of the file */
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

/** By file, line and column. */
function byPlace(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function toValue(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 });
  } catch (cause) {
    throw new UserError(`${file} cannot be read: too many aliases`, { cause });
  }
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

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inside, part) =>
      typeof inside === 'object' && inside !== null
        ? Object.entries(inside).find(([key]) => key === String(part))?.[1]
        : undefined,
    value,
  );
}

/** The offset of the node at a path, of the key `key` in it, or of the nearest node around it. */
function offsetOf(contents: unknown, path: Path, key?: string): number {
  let node = contents;
  let offset = rangeOf(node);
  for (const part of key === undefined ? path : [...path, key]) {
    const last = part === key;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && String(item.key) === String(part));
      if (pair === undefined) break;
      offset = rangeOf(last ? pair.key : pair.value) || rangeOf(pair.key);
      node = pair.value;
    } else {
      node =
        typeof node === 'object' && node !== null && 'items' in node && Array.isArray(node.items)
          ? node.items[Number(part)]
          : undefined;
      if (node === undefined) break;
      offset = rangeOf(node) || offset;
    }
  }
  return offset;
}

function rangeOf(node: unknown): number {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return 0;
  const [start] = node.range;
  return typeof start === 'number' ? start : 0;
}
