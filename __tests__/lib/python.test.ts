import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { run } from '../../src/lib/process.ts';
import { ensureEnvironment, type Lock } from '../../src/lib/python.ts';
import { recordingLog } from '../support/log.ts';

let folder: string;
let uv: string;
let asked = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-python-'));
  uv = await tool('uv');
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function ensure(lock: Lock, place = folder) {
  const findUv = async (): Promise<string> => {
    asked++;
    return uv;
  };
  const log = recordingLog();
  const deps = { folder: place, env: process.env, log, signal: new AbortController().signal, uv: findUv };
  return ensureEnvironment(lock, deps);
}

const requirements = (text: string): Lock => ({ kind: 'requirements', requirements: Buffer.from(text) });

const INICONFIG =
  'iniconfig==2.1.0 --hash=sha256:9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760\n';

describe('the environment of a lock', () => {
  test('is made once and used again; uv is not even looked for then', async () => {
    const first = await ensure(requirements(''));
    const before = asked;
    expect(await ensure(requirements(''))).toEqual(first);
    expect(asked).toBe(before);
    expect(await readdir(folder)).toHaveLength(1);
    const { stdout } = await run([
      join(first.folder, 'bin', 'python'),
      '-c',
      'import sys; print(sys.prefix)',
    ]);
    expect(stdout.toString().trim()).toBe(first.folder);
  });

  test('holds the locked packages, and another lock is another environment', async () => {
    const empty = await ensure(requirements(''));
    const made = await ensure(requirements(INICONFIG));
    expect(made.folder).not.toBe(empty.folder);
    const python = join(made.folder, 'bin', 'python');
    await run([
      python,
      '-c',
      'import iniconfig; assert iniconfig.__file__.startswith(__import__("sys").prefix)',
    ]);
  });

  test('two callers at once share one', async () => {
    const place = join(folder, 'shared');
    const both = await Promise.all([ensure(requirements(''), place), ensure(requirements(''), place)]);
    expect(both[0]).toEqual(both[1]);
    expect(await readdir(place)).toHaveLength(1);
  });

  test.each(['none', 'a link to nothing'])('that has %s for an interpreter is made anew', async (what) => {
    const place = join(folder, what);
    const first = await ensure(requirements(''), place);
    const python = join(first.folder, 'bin', 'python');
    await rm(python);
    if (what !== 'none') await symlink('/gone/python3', python);
    const both = await Promise.all([ensure(requirements(''), place), ensure(requirements(''), place)]);
    expect(both).toEqual([first, first]);
    await run([python, '-c', '']);
    expect(await readdir(place)).toHaveLength(1);
  });

  test('a package whose bytes differ fails with the reason of uv, and leaves nothing', async () => {
    const place = join(folder, 'failed');
    const wrong = requirements(INICONFIG.replace('9deba572', '00000000'));
    await expect(ensure(wrong, place)).rejects.toMatchObject({
      name: 'MachineError',
      message: 'the environment could not be made from its lock',
      cause: { message: expect.stringMatching(/^uv ended with status 1: .*hash/is) },
    });
    expect(await readdir(place)).toEqual([]);
  });

  test('of uv.lock holds the groups that are named, and no others', async () => {
    const project = join(folder, 'project');
    await run(['mkdir', project]);
    await writeFile(
      join(project, 'pyproject.toml'),
      '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.9"\n' +
        '[dependency-groups]\ntrain = ["iniconfig==2.1.0"]\ndev = ["six==1.17.0"]\n',
    );
    await run([uv, 'lock', '--quiet'], { cwd: project });
    const read = (name: string): Promise<Buffer> => readFile(join(project, name));
    const lock = { lock: await read('uv.lock'), project: await read('pyproject.toml'), groups: ['train'] };
    const made = await ensure({ kind: 'uv', ...lock });
    const { stdout } = await run([uv, 'pip', 'freeze', '--python', join(made.folder, 'bin', 'python')]);
    expect(stdout.toString().trim()).toBe('iniconfig==2.1.0');
  });

  test('python3 is needed, and said so', async () => {
    const deps = { folder, log: recordingLog(), signal: new AbortController().signal, uv: async () => uv };
    await expect(ensureEnvironment(requirements(''), { ...deps, env: { PATH: folder } })).rejects.toThrow(
      /python3 does not run on this machine; install Python 3/,
    );
  });
});
