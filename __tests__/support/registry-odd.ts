/** Stores of the product on registries that do otherwise than the specification or distribution. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { source } from '../../src/records/source.ts';
import { putRecord, readBytes } from '../../src/store/records.ts';
import type { RegistryStore } from '../../src/store/registry/registry.ts';
import { openOn } from './registries.ts';
import { type Registry, type RegistryOptions, startRegistry } from './registry.ts';
import { type Between, type Changes, startBetween } from './registry-between.ts';

export interface OddRegistry {
  /** The registry that stands behind. */
  readonly registry: Registry;
  readonly before: Between;
  /** Opens its repository anew. */
  open(): RegistryStore;
  close(): Promise<void>;
}

/** A registry that answers as the changes have it. */
export async function startOdd(changes: Changes, options: RegistryOptions = {}): Promise<OddRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'odd-'));
  const registry = await startRegistry(options);
  const before = await startBetween(registry, changes);
  return {
    registry,
    before,
    open: () => openOn(before, folder).store,
    async close() {
      await before.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A small record; the number makes it one of its own. */
export const record = (n: number) => ({
  config: { repository: 'r', commit: String(n).padStart(40, '0'), path: '.', ref: 'main' },
  layers: [],
});

/** Writes and reads as a stage does. */
export async function expectWorking({ open }: OddRegistry, bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes);
  await open().write({ bytes });
  expect((await readBytes(open(), digest)).equals(bytes)).toBe(true);
  const parent = await putRecord(open(), source, record(1));
  const child = await putRecord(open(), source, { ...record(2), subject: parent });
  expect(await open().resolve(source.tag(record(2).config, child.digest))).toBe(child.digest);
  expect(await open().children(parent.digest)).toEqual([child.digest]);
  expect((await open().names('source-')).size).toBe(2);
}
