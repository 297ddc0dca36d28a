/** A folder that archives are unpacked into, and what must be true when one is refused. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from '@jest/globals';
import { extractInto } from '../../src/lib/archive/extract.ts';
import type { ArchiveRules } from '../../src/lib/archive/rules.ts';
import { UserError } from '../../src/lib/errors.ts';
import { tar } from './archives.ts';

const MiB = 2 ** 20;
export const RULES: ArchiveRules = {
  what: 'the archive',
  fix: 'make it again',
  limits: { entries: 1000, bytes: 64 * MiB, fileBytes: 32 * MiB, ratio: 100 },
};

export interface Bench {
  readonly root: string;
  /** Where archives are unpacked, in `root`; it is not there before. */
  readonly out: string;
  unpackTar(bytes: Buffer | Iterable<Buffer>, rules?: Partial<ArchiveRules>): Promise<void>;
  unpackZip(bytes: Buffer, rules?: Partial<ArchiveRules>): Promise<void>;
  /** The work is refused for this reason, nothing is left of it, and a sound archive can be unpacked there. */
  expectRefusal(work: Promise<void>, why: string): Promise<void>;
  remove(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'extraction-'));
  const out = join(root, 'out');
  const bench: Bench = {
    root,
    out,
    unpackTar: (bytes, rules = {}) =>
      extractInto(out, { ...RULES, ...rules }, (into) =>
        into.tar(Readable.from(Buffer.isBuffer(bytes) ? [bytes] : bytes)),
      ),
    unpackZip: async (bytes, rules = {}) => {
      const file = join(root, 'zip');
      await writeFile(file, bytes);
      await extractInto(out, { ...RULES, ...rules }, (into) => into.zip(file)).finally(() => rm(file));
    },
    expectRefusal: async (work, why) => {
      const message = await work.then(String, (error: unknown) =>
        error instanceof UserError ? error.message : error,
      );
      expect(message).toMatch(/^the archive cannot be unpacked: .*; make it again$/);
      expect(message).toContain(why);
      expect(await readdir(root)).toEqual([]);
      await bench.unpackTar(tar([{ name: 'next', data: 'fine' }]));
      expect(await readFile(join(out, 'next'), 'utf8')).toBe('fine');
      await rm(out, { recursive: true });
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
  return bench;
}
