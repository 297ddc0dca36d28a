import { posix } from 'node:path';
import { type Json, json, mapTexts } from '../../../lib/json.ts';
import { isInside } from '../../../records/names.ts';
import type { Commit } from '../../../source/commit.ts';
import { type CommitFile, refusalOf } from '../../../source/commit-file.ts';
import { openManifests } from '../../../source/yaml-source.ts';

/** Keys whose entries kustomize would fetch where they are no files. */
const ENTRIES = ['resources', 'bases', 'components', 'generators', 'transformers', 'validators'];

/** Whether a file makes its folder a kustomization. */
export function isKustomization(path: string): boolean {
  return ['kustomization.yaml', 'kustomization.yml', 'Kustomization'].includes(posix.basename(path));
}

/** The files that a kustomization is built of: its folder, and what its files name outside of it, all from the commit. */
export async function filesFor(
  commit: Commit,
  folder: string,
): Promise<{ files: CommitFile[]; problems: string[] }> {
  const found = new Map<string, CommitFile>();
  const problems: string[] = [];
  const seen = new Set<string>();
  const under = (path: string): CommitFile[] =>
    [...commit.files.values()].filter((file) => file.path === path || file.path.startsWith(`${path}/`));
  for (const open = [folder]; open.length > 0; ) {
    const next = open.pop() ?? folder;
    if (seen.has(next)) continue;
    seen.add(next);
    for (const file of under(next).filter(({ path }) => !found.has(path) && isInside(path))) {
      const refusal = refusalOf(file);
      if (refusal !== undefined) {
        problems.push(refusal);
        continue;
      }
      found.set(file.path, file);
      if (!isKustomization(file.path)) continue;
      const { outside, absent } = await namesIn(commit, file, (path) => under(path).length > 0);
      open.push(...outside);
      problems.push(...absent);
    }
  }
  return { files: [...found.values()], problems };
}

/** What a kustomization names: paths of the commit, and entries that are none. */
async function namesIn(
  commit: Commit,
  file: CommitFile,
  isThere: (path: string) => boolean,
): Promise<{ outside: string[]; absent: string[] }> {
  const [bytes = Buffer.alloc(0)] = await commit.read([file]);
  const outside: string[] = [];
  const absent: string[] = [];
  const pathOf = (text: string): string => posix.join(posix.dirname(file.path), text).replace(/\/$/, '');
  for (const { value, place } of openManifests(file.path, bytes.toString('utf8'))) {
    for (const { text, path } of textsOf(json.parse(value))) {
      // Generators write KEY=PATH.
      const named = text.replace(/^[^=/]*=/, '');
      if (isThere(pathOf(named))) outside.push(pathOf(named));
      else if (path.length === 2 && ENTRIES.includes(String(path[0])) && !text.includes('\n'))
        absent.push(
          `${place(path)}: ${text} is not in this commit, and a release takes nothing from elsewhere; commit it, and name it by its path`,
        );
    }
  }
  return { outside, absent };
}

/** All texts in a value. */
function textsOf(value: Json): { text: string; path: readonly PropertyKey[] }[] {
  const found: { text: string; path: readonly PropertyKey[] }[] = [];
  mapTexts(value, (text, path) => {
    found.push({ text, path });
    return text;
  });
  return found;
}
