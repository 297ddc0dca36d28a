import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { packArchive } from '../../src/build/archive.ts';
import { type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { openCommit, readProjectFile } from '../../src/source/commit.ts';
import { selectFiles } from '../../src/source/select.ts';
import { type Changes, makeRepository, type Repository } from '../support/project.ts';
import { refusalOf } from '../support/workshop.ts';

const WEIGHTS = Buffer.from('weights that Git LFS keeps');
const TABLE = Buffer.alloc(70_000, 'table');
const FILES = { 'train.py': 'train', 'lib/weights.bin': WEIGHTS, 'lib/table.csv': TABLE };

let root: string;
let repository: Repository;
let first: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lfs-'));
  const pointers = { 'lib/weights.bin': pointerTo(WEIGHTS), 'lib/table.csv': pointerTo(TABLE) };
  repository = await makeRepository(join(root, 'pointers'), { files: { ...FILES, ...pointers } });
  first = (await repository.git('rev-parse', 'HEAD')).trim();
});
afterEach(async () => {
  await repository.git('reset', '-q', '--hard', first);
  await repository.git('config', '--unset', 'lfs.storage').catch(() => '');
  await rm(join(repository.folder, '.git/lfs'), { recursive: true, force: true });
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** What git-lfs commits for a content (specification v1). */
function pointerTo(
  content: Buffer,
  size = content.length,
  version = 'https://git-lfs.github.com/spec/v1',
): string {
  return `version ${version}\noid ${digestOf(content)}\nsize ${size}\n`;
}

/** Puts an object where git-lfs keeps it; by default in the repository, under its own name. */
async function keep(
  content: Buffer,
  lfs = join(repository.folder, '.git/lfs'),
  named = content,
): Promise<string> {
  const oid = hexOf(digestOf(named));
  const path = join(lfs, 'objects', oid.slice(0, 2), oid.slice(2, 4), oid);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function archiveOf(folder = repository.folder, pattern = '.'): Promise<Digest> {
  const commit = await openCommit(folder, '.');
  return digestOf(await buffer((await packArchive(commit, selectFiles(commit, [pattern]).files)).tar));
}

const plain = async (files: Changes): Promise<Digest> => {
  const { folder } = await makeRepository(await mkdtemp(join(root, 'plain-')), { files });
  return archiveOf(folder);
};

describe('what Git LFS keeps on this machine', () => {
  test('is packed as if it were committed plainly', async () => {
    for (const content of [WEIGHTS, TABLE]) await keep(content);
    expect(await archiveOf()).toBe(await plain(FILES));
    const commit = await openCommit(repository.folder, '.');
    expect(await readProjectFile(commit, 'lib/weights.bin')).toEqual(WEIGHTS);
  });

  test('is found from a linked work tree', async () => {
    for (const content of [WEIGHTS, TABLE]) await keep(content);
    const tree = join(root, 'linked');
    await repository.git('worktree', 'add', '-q', '--detach', tree);
    expect(await archiveOf(tree)).toBe(await plain(FILES));
  });

  test.each([
    ['a path', () => join(root, 'shared')],
    ['a path in the git directory', () => 'kept/here'],
  ])('is found where lfs.storage says, by %s', async (_, where) => {
    const storage = where();
    await repository.git('config', 'lfs.storage', storage);
    const folder = storage.startsWith('/') ? storage : join(repository.folder, '.git', storage);
    for (const content of [WEIGHTS, TABLE]) await keep(content, folder);
    expect(await archiveOf()).toBe(await plain(FILES));
  });

  test('may have a pointer of the time before the first release, and one with keys that are new', async () => {
    for (const content of [WEIGHTS, TABLE]) await keep(content);
    await repository.commit({
      'lib/weights.bin': pointerTo(WEIGHTS, WEIGHTS.length, 'https://hawser.github.com/spec/v1'),
      'lib/table.csv': pointerTo(TABLE).replace('\noid', '\nnew.key x\noid'),
    });
    expect(await archiveOf()).toBe(await plain(FILES));
  });

  test('is not looked for where text only looks like a pointer', async () => {
    const files = {
      long: pointerTo(WEIGHTS) + 'x'.repeat(1024),
      late: `# A pointer:\n${pointerTo(WEIGHTS)}`,
      empty: '',
    };
    const { folder } = await makeRepository(join(root, 'text'), { files });
    const commit = await openCommit(folder, '.');
    for (const [name, text] of Object.entries(files))
      expect((await readProjectFile(commit, name))?.toString()).toBe(text);
  });
});

describe('what Git LFS keeps elsewhere', () => {
  const FIX =
    'files that Git LFS keeps cannot be read; give actions/checkout the input lfs: true, or run git lfs pull';

  test('is refused, all of it at once, with the fix', async () => {
    expect((await refusalOf(archiveOf())).split('\n')).toEqual([
      `${FIX}:`,
      expect.stringMatching(
        /^ {2}- lib\/table\.csv: .*\/\.git\/lfs\/objects\/..\/..\/[0-9a-f]{64} is not there$/,
      ),
      expect.stringMatching(/^ {2}- lib\/weights\.bin: .* is not there$/),
    ]);
    // What the project does not name is not needed.
    expect(await archiveOf(repository.folder, 'train.py')).toMatch(/^sha256:/);
  });

  test('is refused when it is not what the pointer says', async () => {
    const damaged = Buffer.from(WEIGHTS);
    damaged[3] = 0;
    const path = await keep(damaged, undefined, WEIGHTS);
    const short = await keep(TABLE.subarray(1), undefined, TABLE);
    expect((await refusalOf(archiveOf())).split('\n')).toEqual([
      `${FIX}:`,
      `  - lib/table.csv: ${short} has 69999 bytes, not 70000; remove it`,
      `  - lib/weights.bin: ${path} differs from its name, it is damaged; remove it`,
    ]);
  });

  test('is refused when the pointer cannot be followed', async () => {
    await repository.commit({
      'lib/weights.bin': pointerTo(WEIGHTS).replace('sha256:', 'md5:'),
      'lib/table.csv': pointerTo(TABLE).replace('\noid', `\next-0-gz ${digestOf(TABLE)}\noid`),
      'train.py': 'version https://git-lfs.github.com/spec/v1',
    });
    const lines = (await refusalOf(archiveOf())).split('\n');
    expect(lines).toContain('  - lib/weights.bin is a damaged pointer of Git LFS; add the file again');
    expect(lines).toContain('  - train.py is a damaged pointer of Git LFS; add the file again');
    expect(lines).toContain(
      '  - lib/table.csv was stored through an extension of Git LFS, which is not supported',
    );
  });
});

describe('source that is too large', () => {
  const HINT =
    'Leave large files out of source: data sets are named in trainer.data, and models are what the trainer writes';

  test('is refused by the sizes in pointers, before anything is read', async () => {
    await repository.commit({ 'lib/weights.bin': pointerTo(WEIGHTS, 300 * 2 ** 20) });
    expect(await refusalOf(archiveOf())).toBe(
      `source has 300.1 MiB, and may have 256.0 MiB; the largest files are lib/weights.bin (300.0 MiB), lib/table.csv (0.1 MiB), train.py (0.0 MiB). ${HINT}`,
    );
  });

  test('is refused by the sizes of objects', async () => {
    const zeros = Buffer.alloc(130 * 2 ** 20);
    const { folder } = await makeRepository(join(root, 'large'), {
      files: { a: zeros, b: zeros, 'c.py': 'c' },
    });
    expect(await refusalOf(archiveOf(folder))).toBe(
      `source has 260.0 MiB, and may have 256.0 MiB; the largest files are a (130.0 MiB), b (130.0 MiB), c.py (0.0 MiB). ${HINT}`,
    );
    expect(await archiveOf(folder, 'c.py')).toMatch(/^sha256:/);
  });

  test('or has too many files', async () => {
    const commit = await openCommit(repository.folder, '.');
    const { files } = selectFiles(commit, ['train.py']);
    const many = Array.from({ length: 50_001 }, () => files).flat();
    expect(await refusalOf(packArchive(commit, many))).toMatch(
      /^source has 50001 files, and may have 50000\. Leave out/,
    );
  });
});
