import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { changedFiles, type Placed } from '../../src/build/file-changes.ts';
import { changedPackages } from '../../src/build/package-changes.ts';
import type { ProgramEnvironment } from '../../src/records/program.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { type Files, putTrainer } from '../support/programs.ts';

let store: LayoutStore;
beforeAll(async () => {
  store = new LayoutStore(await mkdtemp(join(tmpdir(), 'trainyard-changes-')));
});
afterAll(() => rm(store.location, { recursive: true, force: true }));

async function trainer(files: Files, directory = '.', requirements = ''): Promise<Placed> {
  return { store, trainer: await putTrainer(store, files, { directory }, requirements) };
}

/** A trainer of a lock of uv. */
async function inEnvironment(uv: string): Promise<Placed> {
  const placed = await trainer({});
  const { digest } = await store.write({ bytes: Buffer.from(uv) });
  const environment: ProgramEnvironment = { kind: 'uv', lock: digest, project: digest, groups: [] };
  return { store, trainer: { ...placed.trainer, config: { ...placed.trainer.config, environment } } };
}

test('files are named from the project, wherever it lies in the archive; a mode counts', async () => {
  const before = await trainer({ 'a/train.py': '1', 'lib/x.py': '1', 'a/run.sh': 'echo' }, 'a');
  const after = await trainer({ 'train.py': '1', 'run.sh': '#!echo', 'new.py': '' });
  expect(await changedFiles(before, before)).toEqual([]);
  expect(await changedFiles(before, after)).toEqual([
    '../lib/x.py removed',
    'run.sh changed',
    'new.py added',
  ]);
});

test('packages of requirements: extras, markers, comments and hashes are none', async () => {
  const before = await trainer(
    {},
    '.',
    '# x==1\nPillow == 1.0 ; python_version > "3" \\\n    --hash=sha256:aa\na[b,c]==2 # d==3\n',
  );
  const after = await trainer({}, '.', 'pillow==1.1 --hash=sha256:bb\na==2\n');
  expect(await changedPackages(before, after)).toEqual(['pillow 1.0 → 1.1']);
  expect(await changedPackages(after, after)).toEqual([]);
});

test('packages of a lock of uv, one of them in two versions', async () => {
  const entry = (name: string, version: string): string =>
    `[[package]]\nname = "${name}"\nversion = "${version}"\n\n`;
  const before = await inEnvironment(`version = 1\n\n${entry('numpy', '1.0')}${entry('torch', '2.0')}`);
  const after = await inEnvironment(`version = 1\n\n${entry('numpy', '1.0')}${entry('numpy', '2.0')}`);
  expect(await changedPackages(before, after)).toEqual(['numpy 1.0 → 1.0 or 2.0', 'torch 2.0 removed']);
});
