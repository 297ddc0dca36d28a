import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NODE } from './support/step.ts';
import { openWorkshop, type Workshop } from './support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterAll(() => shop.remove());

/** `npx trainyard ARGS` in the project's folder. */
function trainyard(...args: string[]): Promise<{ status: unknown; stdout: string; stderr: string }> {
  const main = JSON.stringify(join(import.meta.dirname, '../src/main.ts'));
  const code = `import(${main}).then((main) => main.runCommand(process.argv.slice(1)))`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code, '--'];
  return new Promise((resolve) => {
    execFile(NODE, [...flags, ...args], { cwd: shop.repository.folder }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

describe('npx trainyard', () => {
  test('runs an action, with ./yard as its store; only outputs are on stdout', async () => {
    const { status, stdout, stderr } = await trainyard('build', '--params', 'epochs: 4');
    expect(status).toBe(0);
    const outputs: Record<string, string> = JSON.parse(stdout);
    expect(outputs).toMatchObject({ run: '', 'training-id': expect.stringMatching(/^sha256:/) });
    expect(stderr).toMatch(/^Build commit \w{12}\n\n🔨 toy · commit/);
    expect(await readdir(join(shop.repository.folder, 'yard'))).toContain('index.json');
    const traced = await trainyard('trace', '--of', String(outputs.trainer));
    expect(traced.stderr).toMatch(/^source {5}\w{12} {2}\w+: commit \w{12}/);
  });

  test.each([
    [['build', '--project', '"; touch PWN #\nEOF'], /^error: input project is "\\"; touch PWN #\\nEOF", and/],
    [
      ['build', '--colour', 'red'],
      /'--colour'.*The inputs are: --project --params --store --handoff --force --plain-http\n$/s,
    ],
    [['trace'], /^error: the inputs cannot be used: input of is required\n$/],
    [
      ['trace', '--of', `sha256:${'0'.repeat(64)}`, '--store', 'train.py'],
      /^error: store is "train\.py", a file; a store is a folder/,
    ],
    [
      ['constructor'],
      /^usage: trainyard build\|train\|package-model\|release-config\|deploy\|data\|trace\|history\|verify\|prune\|line \[--input value …\]\n$/,
    ],
    [[], /^usage: trainyard build\|/],
  ])('%j is one error and status 1', async (args, said) => {
    const { status, stdout, stderr } = await trainyard(...args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(said);
    expect(stderr).not.toMatch(/^ {4}at |a bug of Trainyard/m);
    expect(await readdir(shop.repository.folder)).not.toContain('PWN');
  });

  test.each([
    [['--help'], /^usage: trainyard build\|/],
    [['trace', '--help'], /^trainyard trace\n {2}--of VALUE\n {2}--store VALUE\n/],
  ])('%j tells how to use it', async (args, said) => {
    const { status, stdout } = await trainyard(...args);
    expect(status).toBe(0);
    expect(stdout).toMatch(said);
  });
});
