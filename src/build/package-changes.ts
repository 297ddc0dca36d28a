import { readBytes } from '../store/records.ts';
import type { Placed } from './file-changes.ts';

/**
 * Which packages of two trainers' locks differ: `numpy 2.0.0 → 2.0.1`, `scipy 1.14.0 added`.
 * @returns an empty list when the locks name the same packages
 * @throws what reading a store throws
 */
export async function changedPackages(before: Placed, after: Placed): Promise<string[]> {
  const [old, now] = [await packagesOf(before), await packagesOf(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])];
  return names.flatMap((name) => {
    const [was, is] = [old.get(name), now.get(name)];
    if (was === is) return [];
    if (was === undefined) return [`${name} ${is} added`];
    return [is === undefined ? `${name} ${was} removed` : `${name} ${was} → ${is}`];
  });
}

/** A form of lock, in which each package is a name and a version. */
const FORMS: Readonly<Record<'requirements' | 'uv', RegExp>> = {
  requirements: /^[ \t]*([A-Za-z0-9][\w.-]*)[ \t]*(?:\[[^\]\n]*\])?[ \t]*==[ \t]*([^\s;\\#]+)/gm,
  uv: /^\[\[package\]\]\r?\nname = "([^"\n]+)"\r?\nversion = "([^"\n]+)"/gm,
};

async function packagesOf({ trainer, store }: Placed): Promise<Map<string, string>> {
  const { environment } = trainer.config;
  const lock = (await readBytes(store, environment.lock)).toString();
  const found = new Map<string, string>();
  for (const [, name = '', version = ''] of lock.matchAll(FORMS[environment.kind])) {
    // PyPA, name normalization. A package may be there in two versions, for two systems.
    const normal = name.toLowerCase().replace(/[-_.]+/g, '-');
    found.set(normal, [found.get(normal), version].filter(Boolean).join(' or '));
  }
  return found;
}
