import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { action } from '../../src/actions/build.ts';
import { cliHost } from '../../src/github/cli.ts';
import { runAction } from '../../src/github/run.ts';
import { openWorkshop, type Workshop } from '../support/workshop.ts';

const host = (...args: string[]) => cliHost(args, action.inputNames, {});

describe('the arguments of a command', () => {
  test('are inputs, with ./yard and the current folder as defaults', () => {
    const { input } = host('--params', 'a: 1', '--project=models/x');
    expect(input('params')).toBe('a: 1');
    expect(input('project')).toBe('models/x');
    expect([input('store'), input('handoff'), input('nothing')]).toEqual(['./yard', './yard', '']);
    expect(host().input('project')).toBe('.');
  });

  test.each([
    [
      ['--projects', 'x'],
      /'--projects'.*The inputs are: --project --params --store --handoff --force --plain-http$/,
    ],
    [['x'], /Unexpected argument 'x'.*The inputs are: --project/],
    // On a command line everyone on the machine sees it; it comes from GITHUB_TOKEN.
    [['--token', 'x'], /'--token'.*The inputs are/],
    [['--store'], /'--store <value>' argument missing.*The inputs are/],
    [['--params', '--store', 'x'], /'--params' argument is ambiguous/],
  ])('that are not inputs are refused: %j', (args, said) => {
    expect(() => host(...args)).toThrow(
      expect.objectContaining({ name: 'UserError', message: expect.stringMatching(new RegExp(said, 's')) }),
    );
  });

  test('artifact: is refused at a terminal', async () => {
    await expect(host().job.openStore('artifact:', 'store')).rejects.toThrow(
      'store is artifact:, which works only inside a GitHub Actions job; give a folder or a registry',
    );
  });
});

describe('at a terminal', () => {
  let shop: Workshop;
  let cwd: string;
  let empty: string;
  const shown = { out: '', err: '' };
  beforeAll(async () => {
    shop = await openWorkshop();
    empty = await mkdtemp(join(tmpdir(), 'trainyard-cli-'));
    cwd = process.cwd();
  });
  afterAll(async () => {
    process.chdir(cwd);
    await rm(empty, { recursive: true });
    await shop.remove();
  });
  beforeEach(() => {
    for (const [name, stream] of [
      ['out', process.stdout],
      ['err', process.stderr],
    ] as const) {
      shown[name] = '';
      jest.spyOn(stream, 'write').mockImplementation((text) => {
        shown[name] += String(text);
        return true;
      });
    }
  });
  afterEach(() => {
    jest.restoreAllMocks();
    process.exitCode = 0;
  });

  test('outputs are JSON on stdout, all else is on stderr', async () => {
    process.chdir(shop.repository.folder);
    await runAction('build', async () => action, host());
    expect(Object.keys(JSON.parse(shown.out))).toEqual(['trainer', 'server', 'run', 'training-id']);
    expect(shown.err).toMatch(
      /Build commit \w{12}\n[\s\S]*🔨 toy · commit \w{12} is built · it trains as \w{12}\n/,
    );
    expect(shown.err).not.toMatch(/<code>|&#|### |```/);
    expect(process.exitCode).not.toBe(1);
  });

  test('a failure is one error on stderr, said once, and the exit status', async () => {
    process.chdir(empty);
    await runAction('build', async () => action, host());
    expect(shown.out).toBe('');
    expect(shown.err.match(/is not in a git repository/g)).toHaveLength(1);
    expect(shown.err).toMatch(/error: .* is not in a git repository with a commit\./);
    expect(process.exitCode).toBe(1);
  });
});
