import { isDeepStrictEqual } from 'node:util';
import type { YamlSource } from './yaml-source.ts';

/** A value of a base that has no effect, since another one lies over it. */
export interface Overlaid {
  /** `config.THRESHOLD`. */
  readonly what: string;
  readonly place: string;
  readonly by: string;
}

export interface Laid extends YamlSource {
  readonly overlaid: readonly Overlaid[];
}

/** What is laid over the base's key by key, or name by name; anything else takes the base's place as a whole. */
const BY_NAME = new Set(['target', 'config', 'secrets', 'metrics', 'probe']);

/** One value of a section, and where it stands. */
interface Entry {
  readonly name: string;
  readonly value: unknown;
  readonly from: YamlSource;
  readonly path: readonly PropertyKey[];
}

interface Section {
  readonly from: YamlSource;
  readonly value: unknown;
  /** Absent for one that is taken as a whole. */
  readonly entries?: readonly Entry[];
}

/**
 * Lays an environment's file over those that it extends, the nearest first: keys of `config`, `metrics` and `probe` and names of `secrets`
 * take the place of the base's, keys of `target` where it is of the same kind. Every value keeps the place where it was written.
 */
export function layEnvironments(top: YamlSource, below: readonly YamlSource[]): Laid {
  const chain = [top, ...below];
  // What is no mapping at all is told by the schema.
  const odd = chain.find(({ value }) => !isMapping(value));
  if (odd !== undefined) return { ...odd, overlaid: [] };
  const sections = new Map<string, Section>();
  const overlaid: Overlaid[] = [];
  for (const from of chain.toReversed())
    for (const [name, value] of entriesOf(from.value)) {
      if (name === 'extends' && from !== top) continue;
      const over = sectionOf(name, value, from);
      const under = sections.get(name);
      const laid = lay(name, over, under);
      overlaid.push(...lost(name, under, laid));
      sections.set(name, laid);
    }
  return {
    file: top.file,
    overlaid,
    value: Object.fromEntries([...sections].map(([name, section]) => [name, asValue(section)])),
    place: placesIn(sections, top),
  };
}

function sectionOf(name: string, value: unknown, from: YamlSource): Section {
  if (!BY_NAME.has(name)) return { from, value };
  if (Array.isArray(value))
    return {
      from,
      value,
      entries: value.map((item, index) => ({ name: nameOf(item), value: item, from, path: [name, index] })),
    };
  if (!isMapping(value)) return { from, value };
  const entries = entriesOf(value).map(([key, item]) => ({
    name: key,
    value: item,
    from,
    path: [name, key],
  }));
  return { from, value, entries };
}

function lay(name: string, over: Section, under: Section | undefined): Section {
  const isAlike = Array.isArray(over.value) === Array.isArray(under?.value);
  if (over.entries === undefined || under?.entries === undefined || !isAlike) return over;
  const kind = kindOf(over);
  if (name === 'target' && kind !== undefined && kind !== kindOf(under)) return over;
  const names = new Set(over.entries.map((entry) => entry.name));
  return { ...over, entries: [...under.entries.filter((entry) => !names.has(entry.name)), ...over.entries] };
}

/** What of the lower section is no longer there. The same value once more is no loss. */
function lost(section: string, under: Section | undefined, laid: Section): Overlaid[] {
  if (under === undefined) return [];
  if (under.entries === undefined || laid.entries === undefined)
    return [{ what: section, place: under.from.place([section]), by: laid.from.place([section]) }];
  const kept = new Map(laid.entries.map((entry) => [entry.name, entry]));
  return under.entries.flatMap((entry) => {
    const other = kept.get(entry.name);
    if (other !== undefined && isDeepStrictEqual(other.value, entry.value)) return [];
    const by = other === undefined ? laid.from.place([section]) : other.from.place(other.path);
    return [{ what: `${section}.${entry.name}`, place: entry.from.place(entry.path), by }];
  });
}

function asValue({ value, entries }: Section): unknown {
  if (entries === undefined) return value;
  if (Array.isArray(value)) return entries.map((entry) => entry.value);
  return Object.fromEntries(entries.map((entry) => [entry.name, entry.value]));
}

/** Finds where a value was written. Each of hundreds is asked for, so the entries of a section are looked up by name. */
function placesIn(sections: ReadonlyMap<string, Section>, top: YamlSource): YamlSource['place'] {
  const named = new Map(
    [...sections].map(([name, { entries = [] }]) => [name, new Map(entries.map((one) => [one.name, one]))]),
  );
  return (path, key) => {
    const [name, part, ...inner] = key === undefined ? path : [...path, key];
    const section = sections.get(String(name));
    const entry =
      typeof part === 'number' ? section?.entries?.[part] : named.get(String(name))?.get(String(part));
    const from = entry?.from ?? section?.from ?? top;
    const own = [...(entry?.path ?? [name, part]), ...inner].filter((one) => one !== undefined);
    return key === undefined ? from.place(own) : from.place(own.slice(0, -1), key);
  };
}

/** The name of a secret, however it is written. */
function nameOf(item: unknown): string {
  return typeof item === 'string' ? item : (entriesOf(item)[0]?.[0] ?? '');
}

function kindOf({ entries }: Section): unknown {
  return entries?.find(({ name }) => name === 'kind')?.value;
}

function entriesOf(value: unknown): [string, unknown][] {
  return isMapping(value) ? Object.entries(value) : [];
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
