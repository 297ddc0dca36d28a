import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { run } from '../../src/lib/process.ts';
import { digestOfTree, listTree } from '../../src/lib/tree.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tree-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sha256 = (text: string) => digestOf(Buffer.from(text)).slice('sha256:'.length);

describe('the digest of data', () => {
  test('of a file is that of its bytes', async () => {
    await writeFile(join(folder, 'f'), 'bytes');
    expect(await digestOfTree(join(folder, 'f'))).toEqual({ digest: `sha256:${sha256('bytes')}`, size: 5 });
  });

  test('of a folder is that of the sorted list of [path, size, sha256], as anybody can work it out', async () => {
    await mkdir(join(folder, 'b/é'), { recursive: true });
    await mkdir(join(folder, 'empty'));
    for (const path of ['b/é/x', 'b.txt', 'Z', 'ﬀ', '\u{10000}']) await writeFile(join(folder, path), path);
    const list = ['Z', 'b.txt', 'b/é/x', 'ﬀ', '\u{10000}'].map((path) => [
      path,
      Buffer.byteLength(path),
      sha256(path),
    ]);
    const { digest, size } = await digestOfTree(folder);
    expect(digest).toBe(`sha256:${sha256(JSON.stringify(list))}`);
    expect(size).toBe(list.reduce((sum, [, bytes]) => sum + Number(bytes), 0));
  });

  test('tells how far it is', async () => {
    await writeFile(join(folder, 'a'), Buffer.alloc(3 << 20));
    await writeFile(join(folder, 'b'), 'b');
    const told: [number, number][] = [];
    await digestOfTree(folder, (count, total) => told.push([count, total]));
    expect(told.reduce((sum, [count]) => sum + count, 0)).toBe((3 << 20) + 1);
    expect(new Set(told.map(([, total]) => total))).toEqual(new Set([(3 << 20) + 1]));
  });

  test('is refused for what has no bytes of its own', async () => {
    await mkdir(join(folder, 'd'));
    await symlink('/etc', join(folder, 'd/link'));
    await run(['mkfifo', join(folder, 'pipe')]);
    await run(['python3', '-c', 'import os, sys; open(os.fsencode(sys.argv[1]) + b"/\\xff", "w")', folder]);
    const problems = [/d\/link is a symbolic link/, /pipe is a named pipe/, /"�" has a name/];
    for (const problem of problems) await expect(digestOfTree(folder)).rejects.toThrow(problem);
    await expect(digestOfTree(join(folder, 'pipe'))).rejects.toThrow(/neither a file nor a folder/);
    expect((await listTree(folder)).files).toEqual([]);
  });
});
