import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Action, defineAction, type Outcome } from '../../src/github/action.ts';
import { type Host, runAction } from '../../src/github/run.ts';
import { MachineError, UserError } from '../../src/lib/errors.ts';
import { writeWhole } from '../../src/lib/files.ts';
import { testJob } from '../support/workshop.ts';

let folder: string;
let events: (readonly [string, unknown])[];
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/trainyard-run-`);
  events = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function host(signal = new AbortController().signal): Host {
  const note = (what: string, value?: unknown): void => void events.push([what, value]);
  return {
    job: { ...testJob(folder), signal },
    input: () => '',
    output: (outputs) => note('output', outputs),
    summarise: async (markdown) => note('summary', markdown),
    fail: async (message, summary) => {
      if (summary !== undefined) note('summary', summary);
      note('fail', message);
    },
    close: async () => note('close'),
  };
}

const doing =
  (work: () => Promise<Outcome>): (() => Promise<Action>) =>
  async () =>
    defineAction({ inputs: {}, run: work });

async function failure(error: unknown, signal?: AbortSignal): Promise<unknown> {
  events = [];
  await runAction(
    'deploy',
    doing(() => Promise.reject(error)),
    host(signal),
  );
  expect(events.map(([what]) => what)).toEqual(['summary', 'fail', 'close']);
  return events[1]?.[1];
}

describe('an action', () => {
  test('gives outputs and summary', async () => {
    await runAction(
      'x',
      doing(async () => ({ outputs: { a: 'b' }, summary: '### ok' })),
      host(),
    );
    expect(events).toEqual([
      ['output', { a: 'b' }],
      ['summary', '### ok'],
      ['close', undefined],
    ]);
  });

  test('that fails in its own words still gives them', async () => {
    await runAction(
      'x',
      doing(async () => ({ outputs: {}, summary: '### ❌', failure: 'too low' })),
      host(),
    );
    expect(events.map(([what]) => what)).toEqual(['output', 'summary', 'fail', 'close']);
  });

  test('that cannot be loaded fails', async () => {
    await runAction('x', () => Promise.reject(new UserError('no such action')), host());
    expect(events).toContainEqual(['fail', 'no such action']);
  });

  test('that fails is told by whose fault it is, with all causes', async () => {
    expect(await failure(new UserError('a typo', { cause: new Error('line 3') }))).toBe('a typo (line 3)');
    expect(events[0]).toEqual(['summary', '### ❌ deploy · a typo (line 3)']);
    expect(await failure(new MachineError('no answer'))).toBe('the machine or a service failed: no answer');
    expect(await failure(new TypeError('x is undefined'))).toMatch(
      /^this is a bug of Trainyard, please report it with these lines: TypeError: x is undefined\n {4}at /,
    );
    expect(await failure('thrown')).toMatch(/a bug of Trainyard.*thrown$/);
  });

  test('that the operating system refuses something is the machine’s fault', async () => {
    const error: unknown = await writeWhole('/dev/null/below', 'x').catch((caught: unknown) => caught);
    expect(await failure(error)).toMatch(
      /^the machine or a service failed: EEXIST: file already exists, mkdir/,
    );
  });

  test('that was cancelled says so, whatever broke by it', async () => {
    expect(await failure(new Error('aborted'), AbortSignal.abort())).toBe('cancelled');
  });
});
