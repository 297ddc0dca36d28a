import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { packArchive } from '../../src/build/archive.ts';
import { type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { openCommit, readProjectFile, sourceOf } from '../../src/source/commit.ts';
import { selectFiles } from '../../src/source/select.ts';
import { type Changes, makeRepository, type Repository } from '../support/project.ts';

const ALLOW = ['-c', 'protocol.file.allow=always'];
const FILES = {
  'train.py': 'train',
  'vendor/lib/core.py': 'core',
  'vendor/lib/deep/er/leaf.py': 'leaf',
  'vendor/lib/run.sh': '#!/bin/sh\n',
};

let template: string;
let root: string;
let repository: Repository;
/** A repository with a submodule at vendor/lib that has one itself at deep/er. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'submodules-'));
  template = root;
  const leaf = await makeRepository(join(root, 'leaf'), { files: { 'leaf.py': 'leaf' } });
  const core = await makeRepository(join(root, 'core'), {
    files: { 'core.py': 'core', 'run.sh': '#!/bin/sh\n' },
  });
  await core.git('update-index', '--chmod=+x', 'run.sh');
  await core.git(...ALLOW, 'submodule', '--quiet', 'add', '--name', 'the leaf', leaf.folder, 'deep/er');
  await core.git('commit', '-q', '-m', 'Leaf');
  repository = await makeRepository(join(root, 'top'), { files: { 'train.py': 'train' } });
  await repository.git(...ALLOW, 'submodule', '--quiet', 'add', core.folder, 'vendor/lib');
  await repository.git(...ALLOW, 'submodule', '--quiet', 'update', '--init', '--recursive');
  await repository.commit();
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'submodules-'));
  for (const name of ['core', 'top']) await cp(join(template, name), join(root, name), { recursive: true });
  repository = await makeRepository(join(root, 'top'), { files: {} });
});
afterAll(() => rm(template, { recursive: true, force: true }));
afterEach(() => rm(root, { recursive: true, force: true }));

const SOURCES = ['train.py', 'vendor/**/*.py', 'vendor/**/*.sh'];

async function archiveOf(folder = repository.folder, patterns = SOURCES): Promise<Digest> {
  const commit = await openCommit(folder, '.');
  const { files, problems } = selectFiles(commit, patterns);
  expect(problems).toEqual([]);
  return digestOf(await buffer((await packArchive(commit, files)).tar));
}

/** The same files, committed without submodules. */
async function plain(files: Changes = FILES, patterns = SOURCES): Promise<Digest> {
  const { folder, git } = await makeRepository(await mkdtemp(join(root, 'plain-')), { files });
  await git('update-index', '--chmod=+x', 'vendor/lib/run.sh');
  await git('commit', '-q', '-m', 'Executable');
  return archiveOf(folder, patterns);
}

describe('the files of submodules', () => {
  test('are read at the commits that are named, as if they were committed plainly', async () => {
    expect(await archiveOf()).toBe(await plain());
    // What is checked out in the submodule now does not count.
    await writeFile(join(repository.folder, 'vendor/lib/core.py'), 'changed');
    const inside = (...args: string[]) => repository.git('-C', 'vendor/lib', ...args);
    await inside('commit', '-q', '-a', '-m', 'Ahead');
    expect(await archiveOf()).toBe(await plain());
    const commit = await openCommit(repository.folder, '.');
    expect((await readProjectFile(commit, 'vendor/lib/deep/er/leaf.py'))?.toString()).toBe('leaf');
    expect(sourceOf(commit).commit).toBe((await repository.git('rev-parse', 'HEAD')).trim());
    expect(commit.dirty).toBe(true);
  });

  test('are found without their work trees', async () => {
    await repository.git('submodule', '--quiet', 'deinit', '-f', '--all');
    await rm(join(repository.folder, 'vendor'), { recursive: true });
    expect(await archiveOf()).toBe(await plain());
  });

  test('are found in git directories of their own', async () => {
    const modules = join(repository.folder, '.git/modules/vendor/lib');
    for (const [path, kept] of [
      ['vendor/lib/deep/er', join(modules, 'modules/the leaf')],
      ['vendor/lib', modules],
    ] as const) {
      const own = join(repository.folder, path, '.git');
      await repository.git('-C', path, 'config', '--unset', 'core.worktree');
      await rm(own);
      await rename(kept, own);
    }
    expect(await archiveOf()).toBe(await plain());
  });

  test('are found from a linked work tree, with or without a checkout of theirs', async () => {
    const tree = join(root, 'linked');
    await repository.git('worktree', 'add', '-q', '--detach', tree);
    expect(await archiveOf(tree)).toBe(await plain());
    await rm(join(repository.folder, '.git/modules'), { recursive: true });
    await repository.git('-C', tree, ...ALLOW, 'submodule', '--quiet', 'update', '--init', '--recursive');
    expect(await archiveOf(tree)).toBe(await plain());
  });

  test('may be kept by Git LFS', async () => {
    const weights = Buffer.from('weights');
    const oid = hexOf(digestOf(weights));
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${weights.length}\n`;
    await writeFile(join(repository.folder, 'vendor/lib/w.bin'), pointer);
    await repository.git('-C', 'vendor/lib', 'add', 'w.bin');
    await repository.git('-C', 'vendor/lib', 'commit', '-q', '-m', 'Weights');
    await repository.commit();
    const patterns = [...SOURCES, 'vendor/**/*.bin'];
    await expect(archiveOf(undefined, patterns)).rejects.toThrow(
      /lfs: true, or run git lfs pull: vendor\/lib\/w\.bin: /,
    );
    const path = join(
      repository.folder,
      '.git/modules/vendor/lib/lfs/objects',
      oid.slice(0, 2),
      oid.slice(2, 4),
      oid,
    );
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, weights);
    expect(await archiveOf(undefined, patterns)).toBe(
      await plain({ ...FILES, 'vendor/lib/w.bin': weights }, patterns),
    );
  });
});

describe('submodules that are not here', () => {
  const FIX =
    'is not here: give actions/checkout the input submodules: recursive, or run git submodule update --init --recursive';
  const problemsOf = async (folder: string, pattern: string): Promise<string[]> =>
    selectFiles(await openCommit(folder, '.'), [pattern]).problems.map(({ message }) => message);

  test('are refused with the fix where they are named, and nowhere else', async () => {
    const clone = join(root, 'clone');
    await repository.git('clone', '-q', repository.folder, clone);
    const id = (await repository.git('rev-parse', 'HEAD:vendor/lib')).slice(0, 12);
    const refusal = `vendor/lib is a git submodule, and its commit ${id} ${FIX}`;
    expect(await problemsOf(clone, 'vendor')).toEqual([refusal]);
    expect(await problemsOf(clone, 'vendor/lib/core.py')).toEqual([`vendor/lib/core.py: ${refusal}`]);
    expect(await problemsOf(clone, 'train.py')).toEqual([]);
    expect(await readProjectFile(await openCommit(clone, '.'), 'vendor/lib/core.py')).toBeUndefined();
    // Those of the first level alone.
    await repository.git('-C', clone, ...ALLOW, 'submodule', '--quiet', 'update', '--init');
    expect(await problemsOf(clone, 'vendor/lib/core.py')).toEqual([]);
    expect(await problemsOf(clone, 'vendor')).toEqual([
      expect.stringMatching(/^vendor\/lib\/deep\/er is a git submodule, and its commit \w{12} is not here/),
    ]);
  });

  test('are refused when the commit that is named was not fetched', async () => {
    const core = join(root, 'core');
    await writeFile(join(core, 'core.py'), 'newer');
    const { git } = repository;
    await git('-C', core, 'commit', '-q', '-a', '-m', 'Newer');
    const newer = (await git('-C', core, 'rev-parse', 'HEAD')).trim();
    await git('update-index', '--cacheinfo', `160000,${newer},vendor/lib`);
    await git('commit', '-q', '-m', 'Newer');
    expect(await problemsOf(repository.folder, 'vendor')).toEqual([
      `vendor/lib is a git submodule, and its commit ${newer.slice(0, 12)} ${FIX}`,
    ]);
  });

  test('are not looked for outside the repository, whatever name the commit gives them', async () => {
    const { folder, git, commit } = repository;
    await rename(join(folder, '.git/modules/vendor/lib'), join(root, 'elsewhere'));
    await rm(join(folder, 'vendor'), { recursive: true });
    const id = (await git('rev-parse', 'HEAD:vendor/lib')).trim();
    await commit({ '.gitmodules': '[submodule "../../../elsewhere"]\n\tpath = vendor/lib\n\turl = ./x\n' });
    await git('update-index', '--add', '--cacheinfo', `160000,${id},vendor/lib`);
    await git('commit', '-q', '-m', 'Name');
    expect(await problemsOf(folder, 'vendor')).toEqual([expect.stringContaining(FIX)]);
  });
});
