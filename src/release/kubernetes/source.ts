import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../lib/json.ts';
import { listTree } from '../../lib/tree.ts';
import type { Manifest } from '../../records/oci.ts';
import { unpackSource } from '../../store/source.ts';
import type { Store } from '../../store/store.ts';
import type { SourceFile } from './rendering.ts';

/** What Kubernetes takes in one ConfigMap, in bytes. */
export const MOST_BYTES = 2 ** 20;

/** The files of a server's source, from the store. */
export async function readSource(store: Store, program: Manifest): Promise<SourceFile[]> {
  const folder = await store.scratch();
  try {
    await unpackSource(store, program, folder);
    const files: SourceFile[] = [];
    for (const { path } of (await listTree(folder)).files) {
      const file = join(folder, path);
      const isExecutable = ((await stat(file)).mode & 0o111) !== 0;
      files.push({ path, isExecutable, bytes: await readFile(file) });
    }
    return files;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Why a source cannot travel in a ConfigMap; undefined when it can. */
export function refuseSource(source: readonly SourceFile[]): string | undefined {
  const bytes = source.reduce((sum, file) => sum + file.bytes.length, 0);
  if (bytes <= MOST_BYTES) return undefined;
  return `the server's source has ${bytes} bytes, and comes into the pod as a ConfigMap of at most ${MOST_BYTES}; leave in server.source what changes from commit to commit, and put the rest into server.image`;
}

/** Keys of a ConfigMap have no `/`; the volume gives each file its path. As bytes, no placeholder is found in a program. */
export function sourceData(source: readonly SourceFile[]): JsonObject {
  return Object.fromEntries(source.map(({ bytes }, index) => [keyOf(index), bytes.toString('base64')]));
}

/** The volume of that ConfigMap: every file at its path, read-only. */
export function sourceVolume(configMap: string, source: readonly SourceFile[]): JsonObject {
  return {
    name: 'source',
    configMap: {
      name: configMap,
      items: source.map(({ path, isExecutable }, index) => ({
        key: keyOf(index),
        path,
        mode: isExecutable ? 0o555 : 0o444,
      })),
    },
  };
}

function keyOf(index: number): string {
  return `file-${index}`;
}
