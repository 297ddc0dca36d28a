/** The first thing that a new user runs. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { root } from '../support/workflow-files.ts';

test('the demo takes a model from a commit to production, tells where that came from, and what a bad release comes to', async () => {
  const script = join(root, 'scripts', 'demo.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--stop'], { maxBuffer: 2 ** 26 });
  expect(stdout).toMatch(/says that line 1662 of the data is a 9/);
  expect(stdout).toMatch(/^deployment [0-9a-f]{12} {2}live in staging/m);
  expect(stdout).toMatch(/^source +[0-9a-f]{12} {2}trainer: commit/m);
  expect(stdout).toMatch(/nothing to train/);
  for (const verdict of [
    /✔ 🟢 production · digits \S+ live since/,
    /✘ 🟠 production · digits \S+ refused before the switch: 12 of 12 golden requests differ/,
    /✘ ⚪ production · digits \S+ held, nothing was begun: the roll-back of/,
  ])
    expect(stdout).toMatch(verdict);
  expect(stdout.trimEnd()).toMatch(/Everything was stopped and removed\.$/);
}, 300_000);
