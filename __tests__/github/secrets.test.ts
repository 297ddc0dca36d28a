import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { defineAction, type Job, type Outcome } from '../../src/github/action.ts';
import { code, plain } from '../../src/github/markdown.ts';
import { runAction } from '../../src/github/run.ts';
import { UserError } from '../../src/lib/errors.ts';
import { hideSecrets } from '../../src/lib/hide.ts';
import type { RecordingLog } from '../support/log.ts';
import { testJob } from '../support/workshop.ts';

let folder: string;
let events: (readonly [string, unknown])[];
let masked: string[];
let log: RecordingLog;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/trainyard-secrets-`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(() => {
  events = [];
  masked = [];
});

const SECRET = 'open_sesame & "more"';

/** Runs an action on a place that notes what it is told. */
async function run(work: (job: Job) => Promise<Outcome>): Promise<void> {
  const note = (what: string, value: unknown): void => void events.push([what, value]);
  const job = testJob(folder);
  ({ log } = job);
  await runAction('deploy', async () => defineAction({ inputs: {}, run: (_inputs, place) => work(place) }), {
    job: { ...job, mask: (secret) => void masked.push(secret) },
    input: () => '',
    output: (outputs) => note('output', outputs),
    summarise: async (markdown) => note('summary', markdown),
    fail: async (message, summary) => {
      if (summary !== undefined) note('summary', summary);
      note('fail', message);
    },
    close: async () => {},
  });
}

const told = (): string => JSON.stringify([events, log.lines, log.warnings]);

describe('an action that masks a secret', () => {
  test('gives outputs and summary that do not hold it', async () => {
    await run(async (job) => {
      job.mask(SECRET, 'API_KEY');
      return { outputs: { a: 'open' }, summary: '### sesame' };
    });
    expect(masked).toEqual([SECRET]);
    expect(events).toEqual([
      ['output', { a: 'open' }],
      ['summary', '### sesame'],
    ]);
    expect(log.warnings).toEqual([]);
  });

  test.each([
    ['the output a', { outputs: { a: `key=${SECRET}` }, summary: '' }],
    ['the output a', { outputs: { a: JSON.stringify({ key: SECRET }) }, summary: '' }],
    ['the output a', { outputs: { a: `http://x/?key=${encodeURIComponent(SECRET)}` }, summary: '' }],
    ['the output a', { outputs: { a: `Basic ${Buffer.from(SECRET).toString('base64')}` }, summary: '' }],
    ['the summary', { outputs: {}, summary: `### ${SECRET}` }],
    ['the summary', { outputs: {}, summary: `### ${plain(SECRET)}` }],
    ['the summary', { outputs: {}, summary: `### ${code(JSON.stringify(SECRET))}` }],
  ])('fails when %s holds it, and writes neither (%#)', async (place, outcome) => {
    await run(async (job) => {
      job.mask(SECRET, 'API_KEY');
      return outcome;
    });
    expect(events.map(([what]) => what)).toEqual(['summary', 'fail']);
    expect(events[1]?.[1]).toBe(
      `${place} holds the value of API_KEY, so neither outputs nor summary are written. What was done stays done. Take the value out of the place that it came from, or withdraw it and give the secret another one`,
    );
    expect(told()).not.toMatch(/sesame/);
  });

  test('hides it in its log, its failure and its errors, line by line', async () => {
    const lines = 'first line\r\nsecond line';
    await run(async (job) => {
      job.mask(lines, 'CERTIFICATE');
      job.log.info('it is second line');
      job.log.warning('and first line!');
      await job.log.group('about second line', async () => job.log.info(lines));
      return { outputs: {}, summary: '', failure: 'because of first line' };
    });
    expect(told()).not.toMatch(/first line|second line/);
    expect(log.lines).toContain('it is ***');
    expect(events).toContainEqual(['fail', 'because of ***']);
    await run(async (job) => {
      job.mask(SECRET, 'API_KEY');
      throw new UserError(`the server said ${SECRET}`);
    });
    expect(events).toContainEqual(['fail', 'the server said ***']);
    expect(told()).not.toMatch(/sesame/);
  });

  test.each(['a', '123', '✓'])(
    'is warned when it is too short to be hidden, and it is not: %j',
    async (value) => {
      await run(async (job) => {
        job.mask(value, 'PIN');
        return { outputs: { a: `${value} is everywhere` }, summary: '' };
      });
      expect(log.warnings).toEqual([
        expect.stringMatching(/^the value of PIN has fewer than 4 characters, so it is not hidden/),
      ]);
      expect(masked).toEqual([]);
      expect(events[0]).toEqual(['output', { a: `${value} is everywhere` }]);
    },
  );

  test.each(['live', 'TRUE', 'sha256', 'production', '8080', 'localhost'])(
    'is warned when hiding it would blank what every log holds, and an output may hold it: %s',
    async (value) => {
      await run(async (job) => {
        job.mask(value, 'WORD');
        return { outputs: { outcome: value }, summary: '' };
      });
      expect(log.warnings).toEqual([
        expect.stringMatching(/^the value of WORD is a word that stands in every log/),
      ]);
      expect(masked).toEqual([value]);
      expect(events[0]).toEqual(['output', { outcome: value }]);
    },
  );
});

test('what is hidden in a text: the value, its lines, and its forms in JSON, URLs and base64', () => {
  const hide = hideSecrets(['pass "word"/1', 'a\nlong line', 'abc']);
  expect(
    hide(`x pass "word"/1 ${JSON.stringify('pass "word"/1')} ${encodeURIComponent('pass "word"/1')}`),
  ).toBe('x *** "***" ***');
  expect(hide(Buffer.from('pass "word"/1').toString('base64'))).toBe('***==');
  expect(hide('a long line, abc')).toBe('a ***, abc');
  expect(hideSecrets(['\ud800 lone'])('it is \ud800 lone')).toBe('it is ***');
});

test('what a cut leaves of a secret is hidden, too', () => {
  const hide = hideSecrets(['correct-horse-battery', 'tr0ub4dor']);
  expect(hide('answered key=correct-ho…; the next: x=tr0u…, tr0…')).toBe(
    'answered key=***…; the next: x=***…, tr0…',
  );
  expect(hide('it ends in correct-ho')).toBe('it ends in correct-ho');
});
