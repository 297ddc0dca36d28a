/** What build reads of DVC's files in the commit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pinDvc } from '../../src/build/dvc.ts';
import { digestOfJson } from '../../src/lib/json.ts';
import { type Commit, openCommit } from '../../src/source/commit.ts';
import { makeRepository } from '../support/project.ts';

const MD5 = 'c0576e4930bfb3fba55e411850524246';
const CONFIG = `[core]
    analytics = false
    remote = store
['remote "store"']
    url = s3://acme/dvc
    endpointurl = "https://s3.example.com"
    secret_access_key = of-the-machine
['remote "plain"']
    url = https://ada:secret@data.example.com
['remote "token"']
    url = https://ghp_of_ada@data.example.com/dvc
['remote "signed"']
    url = https://data.example.com/dvc?sv=1&sig=of-ada
['remote "endpoint"']
    url = s3://acme/dvc
    endpointurl = https://ghp_of_ada@s3.example.com
['remote "user"']
    url = ssh://ada@data.example.com/dvc
`;
const out = (path: string, md5 = MD5, more = '') =>
  `- md5: ${md5}\n  size: 12\n  hash: md5\n  path: ${path}\n${more}`;
const FILES = {
  '.dvc/config': CONFIG,
  'models/toy/data/a.csv.dvc': `outs:\n${out('a.csv')}`,
  'models/toy/set.dvc': `outs:\n${out('set', `${MD5}.dir`, '  nfiles: 2\n')}`,
  'models/toy/two.dvc': `outs:\n${out('a')}${out('b')}`,
  'models/toy/plain.dvc': `outs:\n${out('p', MD5, '  remote: plain\n')}`,
  ...Object.fromEntries(
    ['token', 'signed', 'endpoint', 'user'].map((name) => [
      `models/toy/${name}.dvc`,
      `outs:\n${out('p', MD5, `  remote: ${name}\n`)}`,
    ]),
  ),
  'models/toy/other.dvc': `outs:\n${out('p', MD5, '  remote: none\n')}`,
  'models/toy/odd.dvc': `outs:\n${out('p', 'abc')}`,
  'models/toy/cloud.dvc': 'outs:\n- path: set\n  files: []\n',
  'models/toy/empty.dvc': 'md5: 0\n',
  'models/toy/dvc.lock': `schema: '2.0'\nstages:\n  prepare:\n    cmd: make\n    outs:\n    ${out('out').replaceAll('\n', '\n    ').trim()}\n  clean: {cmd: rm}\n`,
  'lone/b.dvc': `outs:\n${out('b')}`,
};

let folder: string;
let commit: Commit;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-dvc-'));
  await makeRepository(folder, { files: FILES });
  commit = await openCommit(folder, 'models/toy');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const remote = {
  name: 'store',
  options: { url: 's3://acme/dvc', endpointurl: 'https://s3.example.com' },
};

test('a file of DVC says the MD5, and the nearest configuration where it is kept, without secrets', async () => {
  const dvc = 'data/a.csv.dvc';
  expect(await pinDvc(commit, { dvc })).toEqual({
    ...{ dvc, out: 'a.csv', md5: MD5, size: 12, remote },
    digest: digestOfJson({ md5: MD5 }),
  });
  const set = await pinDvc(commit, { dvc: 'set.dvc' });
  expect(set).toMatchObject({ out: 'set', md5: `${MD5}.dir`, digest: digestOfJson({ md5: `${MD5}.dir` }) });
});

test('the name of a user is no secret where a password or key belongs to it', async () => {
  const { remote: found } = await pinDvc(commit, { dvc: 'user.dvc' });
  expect(found?.options).toEqual({ url: 'ssh://ada@data.example.com/dvc' });
});

test('the lock of a pipeline says it of every out', async () => {
  const of = (wanted?: string) => pinDvc(commit, { dvc: 'dvc.lock', out: wanted });
  expect(await of()).toMatchObject({ dvc: 'dvc.lock', out: 'out', md5: MD5 });
  expect(await of('out')).toEqual(await of());
});

test('a repository without a remote has none', async () => {
  const { folder: lone } = await makeRepository(join(folder, 'lone'), {
    files: { 'b.dvc': FILES['lone/b.dvc'] },
  });
  expect(await pinDvc(await openCommit(lone, '.'), { dvc: 'b.dvc' })).not.toHaveProperty('remote');
});

test.each<[string, string | undefined, RegExp]>([
  ['gone.dvc', undefined, /the commit has no models\/toy\/gone\.dvc; run `dvc add`/],
  ['two.dvc', undefined, /models\/toy\/two\.dvc has several outs; say which one: out: a, b$/],
  ['two.dvc', 'c', /has no out c; it has a, b, and out must be written as it is there$/],
  ['empty.dvc', undefined, /has no outs$/],
  ['cloud.dvc', undefined, /has no md5 for set: DVC leaves it out where a remote keeps versions/],
  ['odd.dvc', undefined, /models\/toy\/odd\.dvc:2:\d+: outs\.0\.md5: an MD5 as DVC writes it/],
  ['plain.dvc', undefined, /the url of the remote plain in \.dvc\/config has a password, token or signature/],
  ['token.dvc', undefined, /the url of the remote token in \.dvc\/config has a password, token or signature/],
  [
    'signed.dvc',
    undefined,
    /the url of the remote signed in \.dvc\/config has a password, token or signature/,
  ],
  ['endpoint.dvc', undefined, /the endpointurl of the remote endpoint in .* has a password, token or/],
  ['other.dvc', undefined, /\.dvc\/config has no remote none$/],
])('%s (%s) is refused', async (dvc, wanted, said) => {
  await expect(pinDvc(commit, { dvc, out: wanted })).rejects.toThrow(said);
});
