/** When which job of a training in several segments runs, of one that starts itself again, and of a smoke test. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ActResult, jobOf } from '../support/act.ts';
import { finished } from '../support/act-rewrite.ts';
import { GIVEN, inputsOf, openStubs, ran, type Stubs } from '../support/act-stubs.ts';
import { root } from '../support/workflow-files.ts';

let stubs: Stubs;
beforeAll(async () => {
  const long = 'trainyard-long-training.yml';
  // act gives no outputs of a call in which nothing but another call has run.
  const states = new Map([
    ['stopped.yml', 'checkpointed'],
    ['finished.yml', 'succeeded'],
  ]);
  stubs = await openStubs(
    {
      'pipeline.yml': 'trainyard-pipeline.yml',
      'rerun.yml': 'trainyard-rerun.yml',
      'stopped.yml': long,
      'finished.yml': long,
    },
    (text, file) => {
      const state = states.get(file);
      return state === undefined ? text : finished(text, 'pipeline', { state });
    },
  );
}, 120_000);

afterAll(() => stubs.remove());

const act: Stubs['act'] = (...args) => stubs.act(...args);

/** A machine whose `gh` is this script. */
async function withGh(script: string): Promise<Record<string, string>> {
  const bin = await mkdtemp(join(stubs.place, 'bin-'));
  await writeFile(join(bin, 'gh'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: `${bin}:${join(root, 'node_modules/node/bin')}:${process.env.PATH}` };
}

/** What train gives where it wrote a checkpoint and stopped. */
const stopped = (segment: string) => ({ run: '', state: 'checkpointed', segment, metrics: '{}' });
const CHAIN = ['train-1', 'train-2', 'train-3', 'train-4', 'train-5'];

test('a training goes on in the next job until it has succeeded, and that Run is packaged', async () => {
  const library = await stubs.library('chain', (text, file) =>
    file === 'pipeline.yml'
      ? text
          .replace('time-budget: ${{ inputs.time-budget }}', 'time-budget: 4h30m')
          .replace('force: ${{ inputs.force }}', 'force: true')
      : text,
  );
  const outputs = { ...GIVEN, 'train-1': stopped('sha256:01'), 'train-2': stopped('sha256:02') };
  const result = await act({ library }, outputs);
  expect(ran(result)).toEqual(['build', ...CHAIN.slice(0, 3), 'package', 'release', 'deploy']);
  const told = CHAIN.slice(0, 3).map((job) => inputsOf(result, job, 'PREVIOUS', 'FORCE', 'TIME-BUDGET'));
  expect(told).toEqual([
    ['', 'true', '4h30m'],
    ['sha256:01', 'false', '4h30m'],
    ['sha256:02', 'false', '4h30m'],
  ]);
  expect(inputsOf(result, 'build', 'FORCE')).toEqual(['true']);
  expect(inputsOf(result, 'package', 'RUN')).toEqual(['sha256:dd']);
});

test('a segment that fails ends the chain', async () => {
  const result = await act({}, { ...GIVEN, 'train-1': stopped('sha256:01') }, 'train-2');
  expect(ran(result)).toEqual(['build', 'train-1', 'train-2']);
  expect(result.status).toBe(1);
});

test('one that five jobs did not finish is not red, and nothing is packaged', async () => {
  const unfinished = Object.fromEntries(CHAIN.map((job, index) => [job, stopped(`sha256:0${index}`)]));
  const result = await act({}, { ...GIVEN, ...unfinished });
  expect(ran(result)).toEqual(['build', ...CHAIN]);
  expect(result.status).toBe(0);
});

describe('a long training', () => {
  const params = '{"note": "$(touch PWN) \\" x"}';
  const start = async (workflow: string, changed: object = {}): Promise<ActResult> => {
    const machine = await withGh('printf "gh:%s\\n" "$@"');
    const inputs = { environment: 'staging', params, runs: '7', commit: '', ...changed };
    return act({ event: 'workflow_dispatch', workflow, payload: { inputs }, machine });
  };
  const startedAgain = async (workflow: string, changed: object = {}): Promise<string[] | undefined> => {
    const result = await start(workflow, changed);
    expect(result.status).toBe(0);
    if (!ran(result).includes('again')) return undefined;
    return [...jobOf(result, 'again').log.matchAll(/^gh:(.*)$/gm)].map(([, argument = '']) => argument);
  };

  test('starts itself again on the same commit', async () => {
    const said = await startedAgain('stopped.yml');
    expect(said?.slice(0, 5)).toEqual(['workflow', 'run', 'stopped.yml', '--ref', 'main']);
    expect(said).toEqual(expect.arrayContaining([`params=${params}`, 'runs=6', 'environment=staging']));
    expect(said?.at(-1)).toMatch(/^commit=[0-9a-f]{40}$/);
    const commit = 'b'.repeat(40);
    expect((await startedAgain('stopped.yml', { commit }))?.at(-1)).toBe(`commit=${commit}`);
  });

  test('does not when it is finished', async () => {
    expect(await startedAgain('finished.yml')).toBeUndefined();
  });

  test('that may take no more runs is red, and says how it goes on', async () => {
    const commit = 'b'.repeat(40);
    const result = await start('stopped.yml', { runs: '1', commit });
    expect(result.status).toBe(1);
    const { log } = jobOf(result, 'again');
    expect(log).toMatch(new RegExp(`not finished, .* no run is left\\. .* commit ${commit}.* goes on`));
    expect(log).not.toContain('gh:');
  });
});

describe('a smoke test', () => {
  let library: string;
  beforeAll(async () => {
    library = await stubs.library('smoking', (text, file) =>
      file === 'pipeline.yml' ? text.replace('smoke: ${{ inputs.smoke }}', 'smoke: true') : text,
    );
  });

  test('comes before the training, and the training only if it went well', async () => {
    const result = await act({ library });
    expect(ran(result).slice(0, 3)).toEqual(['build', 'smoke', 'train-1']);
    expect(inputsOf(result, 'smoke', 'SMOKE', 'TRAINER')).toEqual(['true', 'sha256:aa']);
    expect(inputsOf(result, 'train-1', 'SMOKE')).toEqual(['false']);
    expect(ran(await act({ library }, GIVEN, 'smoke'))).toEqual(['build', 'smoke']);
  });

  test('is not made where a finished Run is there', async () => {
    const result = await act({ library }, { ...GIVEN, build: { ...GIVEN.build, run: 'sha256:0d' } });
    expect(ran(result)).toEqual(['build', 'package', 'release', 'deploy']);
  });
});

describe('a run whose runner was lost', () => {
  /** What is asked of `gh` when jobs 11 and 12 failed, and these had the runner lost. */
  const asked = async (lost: string, attempt = 1): Promise<string> => {
    const machine = await withGh(`
case "$*" in
  *attempts*) echo 11; echo 12;;
  *check-runs*) for job in ${lost}; do case "$*" in */$job/*) echo true; exit;; esac; done; echo false;;
  *) echo "gh: $*";;
esac`);
    const workflow_run = { id: 7, run_attempt: attempt, conclusion: 'failure' };
    const result = await act({
      event: 'workflow_run',
      workflow: 'rerun.yml',
      payload: { workflow_run },
      machine,
    });
    expect(result.status).toBe(0);
    return ran(result).length === 0 ? '' : jobOf(result, 'rerun').log;
  };

  test('has its failed jobs run again, three times at most', async () => {
    expect(await asked('11 12')).toContain('gh: run rerun 7 --failed');
    expect(await asked('11 12', 4)).toBe('');
  });

  test('has none run again when one of them failed for another reason', async () => {
    expect(await asked('12')).toMatch(/^job 11 did not fail for want of its runner; nothing is run again$/m);
  });
});
