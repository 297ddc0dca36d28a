import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { action } from '../../src/actions/history.ts';
import type { Outcome } from '../../src/github/action.ts';
import { type Digest, hexOf } from '../../src/lib/digest.ts';
import type { DeploymentConfig } from '../../src/records/deployment.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { putDeployment } from '../support/runs.ts';
import { refusalOf, testJob } from '../support/workshop.ts';
import { putModel, putReleaseOf } from '../support/yard.ts';

let store: LayoutStore;
let job: ReturnType<typeof testJob>;
/** Three releases for staging, one for staging-eu. */
let first: Digest;
let second: Digest;
let third: Digest;
let elsewhere: Digest;
/** The Deployments that brought the first and the second. */
let broughtFirst: Digest;
let broughtSecond: Digest;

const hour = (of: number, minutes = '00'): string =>
  `2026-03-03T${String(of).padStart(2, '0')}:${minutes}:00.000Z`;
const ADA = { actor: 'ada', event: 'push', url: 'https://github.com/acme/models/actions/runs/7' };

async function deployed(release: Digest, at: number, changes: Partial<DeploymentConfig>): Promise<Digest> {
  const times = { startedAt: hour(at), endedAt: hour(at, '10') };
  return (await putDeployment(store, release, { ...times, ...changes })).digest;
}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-history-'));
  store = new LayoutStore(join(folder, 'yard'));
  job = testJob(folder);
  const { package: model } = await putModel(store, 'a model', 1);
  const release = (threshold: number, environment = 'staging') =>
    putReleaseOf(store, model, environment, { threshold });
  [first, second, third, elsewhere] = [
    await release(1),
    await release(2),
    await release(3),
    await release(4, 'staging-eu'),
  ];
  broughtFirst = await deployed(first, 2, { cause: ADA });
  await deployed(first, 3, {
    outcome: 'unchanged',
    before: first,
    cause: { actor: 'eve', event: 'schedule' },
  });
  // Written without milliseconds, and not in the order of time.
  broughtSecond = await deployed(second, 6, {
    before: first,
    endedAt: '2026-03-03T06:10:00Z',
    cause: { actor: '|<b>', event: 'push', url: 'javascript:alert(1)' },
  });
  await deployed(third, 4, { outcome: 'refused', before: first, reason: 'a\n::wrong::answer' });
  await deployed(first, 8, { before: second, holds: second, cause: { actor: 'root', event: 'terminal' } });
  await deployed(second, 9, { outcome: 'held', before: first, reason: 'a roll-back left it' });
  // Somebody ended what served, and left no record of that.
  await deployed(second, 11, { before: null, lifts: true });
  await deployed(third, 12, { outcome: 'restore-failed', before: second, reason: 'both died' });
  await deployed(elsewhere, 5, {});
}, 60_000);
afterAll(() => rm(job.workspace, { recursive: true, force: true }));

function run(inputs: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const all: Readonly<Record<string, string>> = {
    name: 'toy',
    environment: 'staging',
    store: store.location,
    ...inputs,
  };
  return action.run((name) => all[name] ?? '', job);
}
const History = z.object({ deployments: z.array(z.record(z.string(), z.unknown())) }).loose();
const toldIn = ({ history = '' }: Outcome['outputs']): z.infer<typeof History> =>
  History.parse(JSON.parse(history));
const verdictAt = async (at: string): Promise<string> => (await run({ at })).summary.split('\n')[0] ?? '';
const short = (digest: Digest): string => `<code>${hexOf(digest, 12)}</code>`;

describe('what was live', () => {
  test('is what the last proved deploy before the time had brought', async () => {
    const { outputs, summary } = await run({ at: '2026-03-03T07:00Z' });
    expect(outputs).toMatchObject({ release: second, deployment: broughtSecond });
    expect(summary.split('\n')[0]).toBe(
      `### 🕰 staging · toy · ${short(second)} was live at 2026-03-03 07:00:00 UTC, since 2026-03-03 06:10 UTC, brought by &#124;&#60;b&#62; (push)`,
    );
    expect(summary).not.toContain('⚠');
  });

  test('goes on through what changed nothing, brought by who brought it first', async () => {
    const { outputs } = await run({ at: '2026-03-03 05:30:00.5+01:00' });
    expect(outputs).toMatchObject({ release: first, deployment: broughtFirst });
    expect(await verdictAt('2026-03-03T10:00+05:00')).toContain('brought by ada (push)');
  });

  test('is told with the deploy that was under way', async () => {
    const { outputs, summary } = await run({ at: '2026-03-03T06:05Z' });
    expect(outputs.release).toBe(first);
    expect(summary).toContain(
      `⚠ A deploy of ${short(second)} was under way, from 2026-03-03 06:00 to 2026-03-03 06:10 UTC`,
    );
    expect(toldIn(outputs)).toMatchObject({ underWay: broughtSecond, otherwise: null });
  });

  test('is told with what the next deploy found instead', async () => {
    const { outputs, summary } = await run({ at: '2026-03-03T10:00Z' });
    expect(outputs.release).toBe(first);
    expect(summary).toContain('⚠ The next deploy, begun 2026-03-03 11:00 UTC, found nothing serving');
  });

  test('may be nothing, or not known', async () => {
    expect(await verdictAt('2026-03-03T01:00Z')).toMatch(
      /· nothing had been deployed at 2026-03-03 01:00:00 UTC$/,
    );
    const now = await run();
    expect(now.outputs).toMatchObject({ release: '', deployment: '' });
    expect(now.summary.split('\n')[0]).toMatch(
      /nothing was proved to serve at .* UTC: the deploy of <code>\w{12}<\/code> was restore-failed$/,
    );
  });

  test('is what the first record found, when the records begin later', async () => {
    const found = await putModel(store, 'another model', 1, { project: 'other' });
    const [old, next] = [
      await putReleaseOf(store, found.package, 'staging', { threshold: 8 }),
      await putReleaseOf(store, found.package, 'staging', { threshold: 9 }),
    ];
    await deployed(next, 7, { before: old });
    const { outputs, summary } = await run({ name: 'other', at: '2026-03-03T03:00Z' });
    expect(outputs).toMatchObject({ release: old, deployment: '' });
    expect(summary).toContain('brought by what left no record');
  });
});

test('what a roll-back left is held, until a person lifts that', async () => {
  const heldAt = async (at: string): Promise<unknown> => toldIn((await run({ at })).outputs).held;
  expect(await heldAt('2026-03-03T08:09Z')).toEqual([]);
  expect(await heldAt('2026-03-03T10:00Z')).toEqual([second]);
  expect((await run({ at: '2026-03-03T10:00Z' })).summary).toContain(
    `\n\nHeld by roll-backs, until a person lifts that: ${short(second)}.\n`,
  );
  expect(await heldAt('2026-03-03T11:30Z')).toEqual([]);
});

test('the table has every deployment of this environment and no other, the newest first', async () => {
  const { summary } = await run({ at: '2026-03-03T07:00Z' });
  const rows = summary
    .split('\n')
    .filter((line) => /^\| \**2026/.test(line))
    .map((line) => line.replaceAll('\u00a0', ' ').replaceAll('\u2011', '-'));
  expect(rows.map((row) => row.split(' | ')[1])).toEqual([
    '🔴 restore-failed',
    '🟢 live',
    '⚪ held',
    '🟢 live',
    '🟢 live',
    '🟠 refused',
    '🟢 unchanged',
    '🟢 live',
  ]);
  const served = [null, second, first, first, second, first, first, first];
  expect(rows.map((row) => row.split(' | ')[3])).toEqual(served.map((one) => (one ? short(one) : 'nothing')));
  expect(rows[1]).toContain('a person lifted the hold on it');
  expect(rows[3]).toContain(`holds ${hexOf(second, 12)}, which it left`);
  expect(rows[4]).toMatch(/^\| \*\*2026-03-03 06:10\*\* /);
  expect(rows[4]).toContain('| &#124;&#60;b&#62; (push) |');
  expect(rows[7]).toContain(`[ada (push)](${ADA.url})`);
  expect(summary).not.toContain('javascript:');
  expect(summary).not.toContain(hexOf(elsewhere, 12));
});

test('the output is JSON with the same, without the checks', async () => {
  const { outputs } = await run({ at: '2026-03-03T08:22+01:00' });
  const { deployments, ...rest } = toldIn(outputs);
  expect(rest).toEqual({
    name: 'toy',
    environment: 'staging',
    at: '2026-03-03T07:22:00.000Z',
    release: second,
    since: '2026-03-03T06:10:00Z',
    brought: broughtSecond,
    underWay: null,
    otherwise: null,
    held: [],
  });
  expect(deployments).toHaveLength(8);
  expect(deployments[0]).toMatchObject({ deployment: broughtFirst, release: first, cause: ADA });
  expect(deployments[0]).not.toHaveProperty('checks');
});

test('no record can command the runner', () => {
  const text = job.log.lines.join('\n');
  expect(text).toContain('a ::wrong::answer');
  expect(text).not.toMatch(/^\s*::/m);
});

test.each([
  [
    { at: '2026-03-03T14:22' },
    /input at is "2026-03-03T14:22", a time without a zone: add Z for UTC, or an offset such as \+01:00$/,
  ],
  [{ at: '2026-03-03' }, /input at is "2026-03-03"; give a time such as 2026-03-03T14:22Z or/],
  [{ at: '2026-02-30T00:00Z' }, /input at is "2026-02-30T00:00Z"; give a time such as/],
  [{ at: '3 March, 14:22' }, /give a time such as/],
  [{ at: '2999-01-01T00:00Z' }, /is "2999-01-01T00:00Z", which is yet to come; leave it out for now$/],
  [{ name: '', environment: '' }, /input name is required\n.*input environment is required/],
  [
    { environment: 'production' },
    /yard holds no Deployment of "toy" in "production"; it holds those of .*toy in staging, toy in staging-eu$/,
  ],
])('%j is refused', async (inputs, said) => {
  expect(await refusalOf(run(inputs))).toMatch(said);
});
