import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ancestry, type IsAncestor } from '../../src/github/ancestry.ts';
import { run } from '../../src/lib/process.ts';
import { type GitHubApi, startGitHubApi } from '../support/github-api.ts';
import { type RecordingLog, recordingLog } from '../support/log.ts';

let folder: string;
let api: GitHubApi;
let log: RecordingLog;
/** A line of three commits, and one beside the last. */
let first: string;
let second: string;
let third: string;
let beside: string;

const git = async (cwd: string, ...args: string[]): Promise<string> => {
  const author = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
  return (await run(['git', '-C', cwd, ...author, ...args])).stdout.toString().trim();
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-ancestry-'));
  const origin = join(folder, 'origin');
  await mkdir(origin);
  await mkdir(join(folder, 'none'));
  await git(origin, 'init', '--quiet', '--initial-branch=main');
  const commit = async (text: string): Promise<string> => {
    await writeFile(join(origin, 'file'), text);
    await git(origin, 'add', 'file');
    await git(origin, 'commit', '--quiet', '--message', text);
    return git(origin, 'rev-parse', 'HEAD');
  };
  first = await commit('1');
  second = await commit('2');
  await git(origin, 'branch', 'other');
  third = await commit('3');
  await git(origin, 'checkout', '--quiet', 'other');
  beside = await commit('beside');
  await git(origin, 'checkout', '--quiet', 'main');
  await git(folder, 'clone', '--quiet', '--single-branch', `file://${origin}`, 'whole');
  await git(folder, 'clone', '--quiet', '--depth=2', `file://${origin}`, 'shallow');
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  api = await startGitHubApi();
  log = recordingLog();
});
afterEach(() => api.close());

function inFolder(name: string, token?: string, signal = new AbortController().signal): IsAncestor {
  const env = { ...process.env, ...api.env };
  return ancestry({ env, token, log, signal, workspace: join(folder, name) });
}

describe('a repository on this machine', () => {
  test('tells what is older, asking nobody else', async () => {
    const isAncestor = inFolder('origin', 'all');
    expect(await isAncestor(first, third)).toBe(true);
    expect(await isAncestor(third, first)).toBe(false);
    expect(await isAncestor(beside, third)).toBe(false);
    expect(await isAncestor(second, beside)).toBe(true);
    expect(await isAncestor(third, third)).toBe(false);
    expect(api.asked).toEqual([]);
  });

  test('knows that what its whole history lacks is no ancestor', async () => {
    expect(await inFolder('whole')(beside, third)).toBe(false);
    expect(await inFolder('whole')(third, beside)).toBeUndefined();
  });

  test('that is shallow tells only what it is sure of', async () => {
    const isAncestor = inFolder('shallow');
    expect(await isAncestor(second, third)).toBe(true);
    expect(await isAncestor(first, third)).toBeUndefined();
    expect(await isAncestor(third, second)).toBeUndefined();
  });

  test.each(['none', 'not-there'])('is not needed: %s', async (name) => {
    expect(await inFolder(name)(first, third)).toBeUndefined();
    expect(log.warnings).toEqual([]);
  });
});

describe('GitHub', () => {
  beforeEach(() => {
    api.parents.set(first, []).set(second, [first]).set(third, [second]).set(beside, [second]);
  });

  test('tells what a shallow clone and a bare folder do not', async () => {
    for (const name of ['shallow', 'none']) {
      const isAncestor = inFolder(name, 'all');
      expect(await isAncestor(first, third)).toBe(true);
      expect(await isAncestor(third, second)).toBe(false);
      expect(await isAncestor(beside, third)).toBe(false);
    }
    expect(api.asked).toContain(`GET /repos/acme/models/compare/${first}...${third}?per_page=1`);
    expect(log.warnings).toEqual([]);
  });

  test('that does not know a commit, or may not tell, leaves it open', async () => {
    const isAncestor = inFolder('none', 'all');
    expect(await isAncestor('d'.repeat(40), third)).toBeUndefined();
    api.tokens.set('all', []);
    expect(await isAncestor(first, third)).toBeUndefined();
    expect(log.warnings).toEqual([
      expect.stringMatching(
        /^GitHub does not tell whether commit d{12} is older than \w{12}: it knows only one of them, or the job lacks "contents: read" \(Not Found/,
      ),
      expect.stringContaining('"contents: read"'),
    ]);
  });

  test('that fails leaves it open', async () => {
    api.first.push(502);
    expect(await inFolder('none', 'all')(first, third)).toBeUndefined();
    await api.close();
    expect(await inFolder('none', 'all')(first, third)).toBeUndefined();
    expect(log.warnings).toEqual([
      expect.stringMatching(/is older than \w{12}: Early/),
      expect.stringMatching(/is older than \w{12}: /),
    ]);
  });

  test('that never answers is waited for 15 seconds', async () => {
    api.first.push(0);
    const begun = Date.now();
    expect(await inFolder('none', 'all')(first, third)).toBeUndefined();
    expect(Date.now() - begun).toBeLessThan(20_000);
    expect(log.warnings).toHaveLength(1);
  }, 30_000);

  test('is left alone by what is cancelled', async () => {
    const controller = new AbortController();
    api.first.push(0);
    const asked = inFolder('none', 'all', controller.signal)(first, third);
    setTimeout(() => controller.abort(new Error('cancelled')), 300);
    await expect(asked).rejects.toThrow('cancelled');
  });
});

test('what is no commit is never given to git or in a URL', async () => {
  for (const commit of ['--help', 'main', 'a'.repeat(39), '../..', ''])
    expect(await inFolder('origin', 'all')(commit, third)).toBeUndefined();
  expect(api.asked).toEqual([]);
});
