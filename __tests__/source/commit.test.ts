import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { extract } from 'tar-stream';
import { packArchive } from '../../src/build/archive.ts';
import { type Commit, openCommit, readProjectFile, sourceOf } from '../../src/source/commit.ts';
import { selectFiles } from '../../src/source/select.ts';
import { makeRepository, type Repository } from '../support/project.ts';

const FILES = {
  'models/digits/trainyard.yml': 'x',
  'models/digits/train.py': 'train',
  'models/digits/.hidden.py': 'hidden',
  'models/digits/lib/a.py': 'a',
  'models/digits/lib/deep/b.py': 'b',
  'models/digits/lib/deep/notes.md': 'notes',
  'models/digits/[odd] name*.py': 'odd',
  'models/common/c.py': 'c',
  'top.py': 'top',
  'ümläut and "quotes".py': 'names',
};

let root: string;
let repository: Repository;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-commit-'));
  repository = await makeRepository(join(root, 'r'), { files: FILES });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const open = (project: string): Promise<Commit> => openCommit(repository.folder, project);

describe('a commit', () => {
  test('is read from its objects, seen from the project’s folder', async () => {
    await writeFile(join(repository.folder, 'models/digits/train.py'), 'changed');
    const commit = await open('models/digits');
    expect(commit.project).toBe('models/digits');
    expect(commit.ref).toBe('refs/heads/main');
    expect(commit.dirty).toBe(true);
    expect(new Set(commit.files.keys())).toEqual(new Set(Object.keys(FILES)));
    expect((await readProjectFile(commit, 'train.py'))?.toString()).toBe('train');
    expect((await readProjectFile(commit, '../common/c.py'))?.toString()).toBe('c');
    expect(await readProjectFile(commit, 'nothing')).toBeUndefined();
    expect(await commit.read([])).toEqual([]);
    expect((await open('.')).project).toBe('.');
    expect((await open('models/digits/lib/..')).project).toBe('models/digits');
    expect((await open('models/common')).dirty).toBe(false);
  });

  test('names its repository without credentials, and a commit without a branch', async () => {
    await repository.git('remote', 'add', 'origin', 'https://user:hunter2@github.com/me/models.git');
    await repository.git('checkout', '-q', '--detach');
    const commit = await open('models/digits');
    expect(sourceOf(commit)).toEqual({
      repository: 'https://github.com/me/models',
      commit: commit.id,
      path: 'models/digits',
      ref: 'HEAD',
    });
    await repository.git('remote', 'set-url', 'origin', 'git+https://user:hun@ter2@github.com/me/models');
    expect(sourceOf(await open('models/digits')).repository).toBe('git+https://github.com/me/models');
  });

  test('of SHA-256, and one of which an object is missing', async () => {
    const other = join(root, 'sha256');
    const { git } = await makeRepository(join(root, 'plain'), { files: { a: 'b' } });
    await git('init', '-q', '--object-format=sha256', other);
    await writeFile(join(other, 'a.py'), 'a');
    await git('-C', other, 'add', '.');
    await git('-C', other, 'commit', '-q', '-m', 'x');
    const commit = await openCommit(other, '.');
    expect(commit.id).toMatch(/^[0-9a-f]{64}$/);
    expect((await readProjectFile(commit, 'a.py'))?.toString()).toBe('a');
    const file = commit.files.get('a.py');
    if (file === undefined) throw new Error('it is there');
    await rm(join(other, '.git/objects', file.object.slice(0, 2)), { recursive: true });
    await expect(commit.read([file])).rejects.toThrow(
      /^the commit is not whole here; fetch it, or use a full checkout: a\.py: the repository does not hold its content \(\w+\)$/,
    );
  });
});

describe('patterns select', () => {
  const below = (name: string): string => `models/digits/${name}`;
  test.each([
    [['train.py'], [below('train.py')]],
    [['./lib/'], [below('lib/a.py'), below('lib/deep/b.py'), below('lib/deep/notes.md')]],
    [['lib/**/*.py'], [below('lib/a.py'), below('lib/deep/b.py')]],
    [['lib/*'], [below('lib/a.py'), below('lib/deep/b.py'), below('lib/deep/notes.md')]],
    [['*.py'], [below('.hidden.py'), below('[odd] name*.py'), below('train.py')]],
    [['[odd] name*.py'], [below('[odd] name*.py')]],
    [['{train.py,lib/a.py}'], [below('lib/a.py'), below('train.py')]],
    [
      ['../common', 'train.py', 'train.py'],
      ['models/common/c.py', below('train.py')],
    ],
    [['../../*.py'], ['top.py', 'ümläut and "quotes".py']],
    [['../**/c.py'], ['models/common/c.py']],
  ])('%j', async (patterns, paths) => {
    const { files, problems } = selectFiles(await open('models/digits'), patterns);
    expect(problems).toEqual([]);
    expect(files.map(({ path }) => path)).toEqual(paths);
  });

  test('the whole project, and the whole repository', async () => {
    const count = (commit: Commit, pattern: string): number => selectFiles(commit, [pattern]).files.length;
    const commit = await open('models/digits');
    expect(count(commit, '.')).toBe(7);
    expect(count(commit, '**')).toBe(7);
    expect(count(commit, '..')).toBe(8);
    expect(count(commit, '../..')).toBe(10);
    expect(count(await open('.'), '.')).toBe(10);
    for (const outside of ['../../..', '../../../x', '/etc'])
      expect(selectFiles(commit, [outside]).problems[0]?.message).toBe(
        `${outside} is outside the repository`,
      );
  });
});

describe('names that not every system can write', () => {
  test('are refused with their pattern, and no others are', async () => {
    await repository.commit({
      'odd/aux.py': '',
      'odd/a\tb': '',
      'odd/Lib.py': '',
      'odd/lib.py': '',
      'odd/fine:?.py': '',
    });
    const { problems } = selectFiles(await open('.'), ['top.py', 'odd/a*', 'odd/*.py']);
    const fix = 'rename it, so that every system can unpack the source';
    expect(problems).toEqual([
      { pattern: 1, message: `"odd/a\\tb" has a control character in its name; ${fix}` },
      { pattern: 1, message: `"odd/aux.py" has the name aux.py, which is a device on Windows; ${fix}` },
      { pattern: 2, message: `"odd/aux.py" has the name aux.py, which is a device on Windows; ${fix}` },
      {
        pattern: 2,
        message: expect.stringMatching(
          /^"odd\/lib\.py" and "odd\/Lib\.py" are one name where case .*; rename it/,
        ),
      },
    ]);
  });
});

describe('an archive', () => {
  async function pack(project: string, patterns: readonly string[]) {
    const commit = await open(project);
    const { tar, directory } = await packArchive(commit, selectFiles(commit, patterns).files);
    const bytes = await buffer(tar);
    const entries: string[] = [];
    for await (const entry of Readable.from(bytes).pipe(extract())) {
      const { name, mode = 0, mtime, uid, gid, uname, gname } = entry.header;
      entries.push(`${name} ${mode.toString(8)} ${(await buffer(entry)).toString()}`);
      expect({ mtime: mtime?.getTime(), uid, gid, uname, gname }).toEqual({
        mtime: 0,
        uid: 0,
        gid: 0,
        uname: '',
        gname: '',
      });
    }
    return { bytes, directory, entries };
  }

  test('has the project at its top, or what it shares with the files above it', async () => {
    await repository.git('update-index', '--chmod=+x', 'models/digits/train.py');
    await repository.git('commit', '-q', '-m', 'Executable');
    expect(await pack('models/digits', ['train.py', 'lib/a.py'])).toMatchObject({
      directory: '.',
      entries: ['lib/a.py 644 a', 'train.py 755 train'],
    });
    expect(await pack('models/digits', ['train.py', '../common/'])).toMatchObject({
      directory: 'digits',
      entries: ['common/c.py 644 c', 'digits/train.py 755 train'],
    });
    expect(await pack('models/digits', ['../../top.py'])).toMatchObject({
      directory: 'models/digits',
      entries: ['top.py 644 top'],
    });
  });

  test('keeps long and odd names, and has the same bytes each time', async () => {
    const long = `${'d'.repeat(90)}/${'é'.repeat(90)}.py`;
    await repository.commit({ [long]: 'long' });
    const first = await pack('.', [long.slice(0, 90), '*.py']);
    expect(first.entries).toEqual([`${long} 644 long`, 'top.py 644 top', 'ümläut and "quotes".py 644 names']);
    expect((await pack('.', ['*.py', `${'d'.repeat(90)}/**`])).bytes).toEqual(first.bytes);
  });
});
