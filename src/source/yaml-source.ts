import {
  type Document,
  isMap,
  isScalar,
  LineCounter,
  type Pair,
  parseAllDocuments,
  parseDocument,
  type Tags,
  visit,
  type YAMLMap,
} from 'yaml';
import { UserError, userErrors } from '../lib/errors.ts';
import { isRounded } from '../lib/json.ts';
import { DEEPEST, isTooDeep } from '../lib/yaml-depth.ts';

export type Path = readonly PropertyKey[];

/** A YAML text that was read, and is yet to be checked. */
export interface YamlSource {
  readonly file: string;
  readonly value: unknown;
  /** `file:line:column` of a value, or of its key `key`, or of the nearest thing around them. */
  place(path: Path, key?: string): string;
}

/** The parser would compare each key of a map with all before it; `nodeProblems` looks each up. */
const OPTIONS = { stringKeys: true, uniqueKeys: false } as const;

/**
 * Opens a file with one document of YAML 1.2 (core schema; duplicate keys and alias bombs refused).
 * @throws UserError for what is no YAML at all
 */
export function openYaml(file: string, text: string): YamlSource {
  const lines = new LineCounter();
  const options = { ...OPTIONS, lineCounter: lines, version: '1.2' } as const;
  return sourceOf(parseDocument(readable(file, text), options), file, lines);
}

/**
 * Opens a file with any number of documents, as Kubernetes reads them: YAML 1.1 (`yes`, `0644`), in which times are texts. Empty
 * documents are left out.
 * @throws UserError for what is no YAML at all
 */
export function openManifests(file: string, text: string): YamlSource[] {
  const lines = new LineCounter();
  const customTags = (tags: Tags): Tags => tags.filter((tag) => typeof tag === 'string' || !isTime(tag));
  const options = { ...OPTIONS, lineCounter: lines, version: '1.1', customTags } as const;
  return parseAllDocuments(readable(file, text), options)
    .map((document) => sourceOf(document, file, lines))
    .filter(({ value }) => value !== null);
}

function isTime({ tag, format }: { readonly tag: string; readonly format?: string }): boolean {
  return format === 'TIME' || tag === 'tag:yaml.org,2002:timestamp';
}

function readable(file: string, text: string): string {
  if (isTooDeep(text)) throw new UserError(`${file} cannot be read: it has more than ${DEEPEST} levels`);
  return text.replace(/^\uFEFF/, '');
}

function sourceOf(document: Document.Parsed, file: string, lines: LineCounter): YamlSource {
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const syntax = [
    ...[...document.errors, ...document.warnings].map(({ pos: [offset], message }) => ({
      offset,
      message: message.replace(/ at line \d+, column \d+:[\s\S]*$/, ''),
    })),
    ...nodeProblems(document),
  ]
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, message }) => `${at(offset)}: ${message}`);
  if (syntax.length > 0) throw userErrors(`${file} is not YAML`, syntax);
  const pairOf = pairFinder();
  return {
    file,
    value: toValue(document, file),
    place: (path, key) => at(offsetOf(document.contents, path, key, pairOf)),
  };
}

/** Keys that a map has twice, the one that schemas pass over in silence, numbers that would become others, and aliases of what they stand in. */
function nodeProblems(document: Document.Parsed): { readonly offset: number; readonly message: string }[] {
  const problems: { offset: number; message: string }[] = [];
  // In YAML 1.1 a zero before other digits makes an octal number.
  const isDecimal = document.schema.name === 'core';
  visit(document, {
    Map: (_key, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const offset = rangeOf(key);
        if (seen.has(key.value)) problems.push({ offset, message: 'Map keys must be unique' });
        if (key.value === '__proto__') problems.push({ offset, message: "a key can't be named __proto__" });
        seen.add(key.value);
      }
    },
    Scalar: (_key, scalar) => {
      const { value, source = '', type } = scalar;
      if (type !== 'PLAIN' || typeof value !== 'number') return;
      if (!isRounded(source, value) && !(isDecimal && /^[-+]?0\d/.test(source))) return;
      const message = `the number ${source} would become ${value}; write that, or put it into quotes`;
      problems.push({ offset: rangeOf(scalar), message });
    },
    Alias: (_key, alias, around) => {
      const named = alias.resolve(document);
      if (named === undefined || !around.includes(named)) return;
      const message = `the alias *${alias.source} stands in what it names, and would have no end; write out what is meant`;
      problems.push({ offset: rangeOf(alias), message });
    },
  });
  return problems;
}

type PairOf = (map: YAMLMap, key: string) => Pair | undefined;

/** Finds the pairs of maps by key; each map is gone through once, since there may be a question for each of many keys. */
function pairFinder(): PairOf {
  const known = new Map<YAMLMap, ReadonlyMap<string, Pair>>();
  return (map, key) => {
    const pairs = known.get(map) ?? new Map(map.items.map((pair) => [String(pair.key), pair]));
    known.set(map, pairs);
    return pairs.get(key);
  };
}

function toValue(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 });
  } catch (cause) {
    throw new UserError(`${file} cannot be read: too many aliases`, { cause });
  }
}

/** The offset of the node at a path, of the key `key` in it, or of the nearest node around it. */
function offsetOf(contents: unknown, path: Path, key: string | undefined, pairOf: PairOf): number {
  let node = contents;
  let offset = rangeOf(node);
  for (const part of key === undefined ? path : [...path, key]) {
    const last = part === key;
    if (isMap(node)) {
      const pair = pairOf(node, String(part));
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
