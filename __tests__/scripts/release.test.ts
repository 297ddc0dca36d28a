import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { release } from '../../scripts/release.ts';

/** The refs of a repository, as GitHub's REST API keeps them. */
let refs: Map<string, string>;
let github: Server;
let root: string;

beforeEach(async () => {
  refs = new Map();
  root = await mkdtemp(join(tmpdir(), 'trainyard-release-'));
  await setVersion('1.2.3');
  await writeFile(join(root, 'CHANGELOG.md'), '# Changelog\n\n## 1.2.3\n');
  github = createServer(async (request, response) => {
    const body = JSON.parse(await text(request));
    const ref = body.ref ?? request.url?.split('/git/')[1];
    const exists = refs.has(ref);
    const fine = request.headers.authorization === 'Bearer token' && exists === (request.method === 'PATCH');
    if (fine) refs.set(ref, body.sha);
    response
      .writeHead(fine ? 200 : 422)
      .end(exists ? 'Reference already exists' : 'Reference does not exist');
  });
  await once(github.listen(0, '127.0.0.1'), 'listening');
});

afterEach(async () => {
  github.closeAllConnections();
  github.close();
  await rm(root, { recursive: true });
});

async function setVersion(version: string): Promise<void> {
  await mkdir(join(root, 'src', 'lib'), { recursive: true });
  await writeFile(join(root, 'package.json'), JSON.stringify({ version }));
  await writeFile(join(root, 'src', 'lib', 'version.ts'), `export const VERSION = '${version}';\n`);
}

function tag(version: string, commit: string): Promise<string[]> {
  const address = github.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return release({
    version,
    commit,
    repository: 'trainyard/trainyard',
    root,
    api: `http://127.0.0.1:${port}`,
    token: 'token',
  });
}

test('the full version is tagged once, and the major tag is made, then moved', async () => {
  expect(await tag('1.2.3', 'aa')).toEqual(['v1.2.3', 'v1']);
  await setVersion('1.2.4');
  await writeFile(join(root, 'CHANGELOG.md'), '# Changelog\n\n## 1.2.4\n\n## 1.2.3\n');
  expect(await tag('1.2.4', 'bb')).toEqual(['v1.2.4', 'v1']);
  expect(Object.fromEntries(refs)).toEqual({
    'refs/tags/v1.2.3': 'aa',
    'refs/tags/v1.2.4': 'bb',
    'refs/tags/v1': 'bb',
  });
  await expect(tag('1.2.4', 'cc')).rejects.toThrow('422 Reference already exists');
  expect(refs.get('refs/tags/v1')).toBe('bb');
});

test('a pre-release leaves the major tag alone', async () => {
  await setVersion('2.0.0-rc.1');
  await writeFile(join(root, 'CHANGELOG.md'), '# Changelog\n\n## 2.0.0-rc.1\n');
  expect(await tag('2.0.0-rc.1', 'aa')).toEqual(['v2.0.0-rc.1']);
});

test('all that is wrong is said at once, and nothing is tagged', async () => {
  const wrong =
    '"v1.2" is not a full SemVer version such as 1.2.3\npackage.json: "version" is not v1.2\nsrc/lib/version.ts: VERSION is not v1.2\nCHANGELOG.md: no section "## v1.2"';
  await expect(tag('v1.2', 'aa')).rejects.toThrow(wrong);
  expect(refs.size).toBe(0);
});
