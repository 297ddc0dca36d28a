/** A repository that the real dvc wrote: build reads its files, train its cache and, by the real dvc again, its remote. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pythonOf } from '../../scripts/python.ts';
import { pinDvc } from '../../src/build/dvc.ts';
import { openCommit } from '../../src/source/commit.ts';
import { type DataMachine, dataMachine, writeAll } from '../support/data-cache.ts';
import { makeRepository, type Repository } from '../support/project.ts';

const FILES = {
  'data/one.csv': 'a,b\r\n1,2\n',
  'set/a.txt': 'a\n',
  'set/deep/ä b.txt': Buffer.alloc(300_000, 'b'),
  'dvc.yaml':
    'stages:\n  make:\n    cmd: mkdir -p out && cp data/one.csv out/copy.csv && echo 1 > n.txt\n    deps: [data/one.csv]\n    outs: [out, n.txt]\n',
};

let folder: string;
let machine: DataMachine;
let repository: Repository;
let remote: Server | undefined;
let url: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-engines-dvc-'));
  machine = await dataMachine();
  path = [dirname(await pythonOf('dvc')), process.env.PATH].join(delimiter);
  const kept = join(folder, 'remote');
  remote = createServer(async ({ url: asked = '', method }, answer) => {
    const bytes = await readFile(join(kept, asked)).catch(() => undefined);
    answer.writeHead(bytes === undefined ? 404 : 200, { 'content-length': bytes?.length ?? 0 });
    answer.end(method === 'HEAD' ? undefined : bytes);
  });
  await once(remote.listen(0, '127.0.0.1'), 'listening');
  const address = remote.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  repository = await makeRepository(join(folder, 'repository'), { files: { '.gitignore': '/tmp\n' } });
  await dvc('init', '--quiet');
  await writeAll(repository.folder, FILES);
  await dvc('add', '--quiet', 'data/one.csv', 'set');
  await dvc('repro', '--quiet');
  await dvc('remote', 'add', '--quiet', '--default', 'disk', kept);
  await dvc('push', '--quiet');
  await repository.commit();
}, 300_000);
afterAll(async () => {
  remote?.close();
  await machine.remove();
  await rm(folder, { recursive: true, force: true });
});

const dvc = (...args: string[]) =>
  promisify(execFile)('dvc', args, { cwd: repository.folder, env: { ...process.env, PATH: path } });

const pin = async (file: string, out?: string) =>
  pinDvc(await openCommit(repository.folder, '.'), { dvc: file, out });

test.each([
  ['its remote, a folder', {}],
  ['its cache, which the machine names', { TRAINYARD_DVC: '.dvc/cache' }],
])('files and folders come from %s', async (_what, { TRAINYARD_DVC }: { TRAINYARD_DVC?: string }) => {
  machine.env = TRAINYARD_DVC === undefined ? {} : { TRAINYARD_DVC: join(repository.folder, TRAINYARD_DVC) };
  const one = await machine.use(await pin('data/one.csv.dvc'));
  expect(await readFile(one.path, 'utf8')).toBe(FILES['data/one.csv']);
  const set = await machine.use(await pin('set.dvc'));
  expect(await readFile(join(set.path, 'deep/ä b.txt'))).toEqual(FILES['set/deep/ä b.txt']);
  const out = await machine.use(await pin('dvc.lock', 'out'));
  expect(await readFile(join(out.path, 'copy.csv'), 'utf8')).toBe(FILES['data/one.csv']);
  for (const used of [one, set, out]) await used.release();
});

test('from a remote that is no folder the real dvc fetches', async () => {
  await dvc('remote', 'modify', 'disk', 'url', url);
  await repository.commit();
  const other = await dataMachine();
  try {
    other.env = { PATH: path, HOME: other.root };
    const { path: place } = await other.use(await pin('set.dvc'));
    expect(await readFile(join(place, 'a.txt'), 'utf8')).toBe('a\n');
    expect(await readFile(join(place, 'deep/ä b.txt'))).toEqual(FILES['set/deep/ä b.txt']);
    const gone = {
      ...(await pin('set.dvc')),
      md5: 'a'.repeat(32),
      digest: `sha256:${'a'.repeat(64)}` as const,
    };
    await expect(other.use(gone)).rejects.toThrow(`is not in ${url}; run`);
  } finally {
    await other.remove();
  }
}, 120_000);
