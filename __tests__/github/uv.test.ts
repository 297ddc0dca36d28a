import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findUv, type UvPlace } from '../../src/github/uv.ts';
import { UV_DIGESTS, UV_VERSION } from '../../src/github/uv-release.ts';
import { run } from '../../src/lib/process.ts';
import { recordingLog } from '../support/log.ts';

let folder: string;
const kept = process.env.RUNNER_TOOL_CACHE;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-uv-'));
  delete process.env.RUNNER_TOOL_CACHE;
});
afterAll(async () => {
  delete process.env.RUNNER_TOOL_CACHE;
  if (kept !== undefined) process.env.RUNNER_TOOL_CACHE = kept;
  await rm(folder, { recursive: true, force: true });
});

function place(env: Readonly<Record<string, string | undefined>>): UvPlace {
  const scratch = (): Promise<string> => mkdtemp(join(folder, 'scratch-'));
  return {
    env,
    log: recordingLog(),
    signal: new AbortController().signal,
    cache: join(folder, 'cache'),
    scratch,
  };
}

/** The machine's PATH without any uv. */
async function pathWithoutUv(): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const { stdout } = await run(['python3', '-c', 'import sys; print(sys.executable)']);
  await writeFile(join(bin, 'python3'), `#!/bin/sh\nexec ${stdout.toString().trim()} "$@"\n`, {
    mode: 0o755,
  });
  return bin;
}

describe('uv', () => {
  test('on the PATH is used', async () => {
    const own = join(folder, 'own');
    await mkdir(own);
    await writeFile(join(own, 'uv'), '#!/bin/sh\n');
    await chmod(join(own, 'uv'), 0o755);
    expect(await findUv(place({ PATH: `/nowhere:${own}` }))).toBe(join(own, 'uv'));
  });

  test('is else installed at the pinned version, and kept in our own folder', async () => {
    const env = { PATH: await pathWithoutUv(), RUNNER_TOOL_CACHE: undefined };
    const first = await findUv(place({ ...process.env, ...env }));
    expect((await run([first, '--version'])).stdout.toString()).toContain(`uv ${UV_VERSION}`);
    const second = await findUv(place({ PATH: '/nowhere' }));
    expect(second).toBe(join(folder, 'cache', 'tools', `uv-${UV_VERSION}`, 'bin', 'uv'));
    expect((await run([second, '--version'])).stdout.toString()).toContain(`uv ${UV_VERSION}`);
  }, 120_000);

  test('is kept in the tool cache of a runner', async () => {
    process.env.RUNNER_TOOL_CACHE = join(folder, 'runner');
    const { RUNNER_TOOL_CACHE } = process.env;
    await findUv(place({ ...process.env, PATH: await pathWithoutUv() }));
    const second = await findUv(place({ PATH: '/nowhere', RUNNER_TOOL_CACHE }));
    expect(second).toMatch(new RegExp(`^${folder}/runner/uv/${UV_VERSION}/`));
    expect((await run([second, '--version'])).stdout.toString()).toContain(`uv ${UV_VERSION}`);
  }, 120_000);

  test('that can neither be found nor installed is told with the fix', async () => {
    const bare = { ...place({ PATH: '/nowhere' }), cache: join(folder, 'empty') };
    await expect(findUv(bare)).rejects.toThrow(/install uv, or python3 with pip/);
  });

  test('has the same version and digests as the tools of this repository', async () => {
    const text = await readFile(join(import.meta.dirname, '../../scripts/requirements/uv.txt'), 'utf8');
    expect(/uv==(\S+)/.exec(text)?.[1]).toBe(UV_VERSION);
    expect([...text.matchAll(/sha256:([0-9a-f]{64})/g)].map(([, digest]) => digest)).toEqual(UV_DIGESTS);
  });
});
