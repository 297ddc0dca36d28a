import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { defineAction } from '../../src/github/action.ts';
import { type Host, runAction } from '../../src/github/run.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function recordingHost(signal: AbortSignal): { host: Host; failures: string[]; summaries: string[] } {
  const failures: string[] = [];
  const summaries: string[] = [];
  const job: Host['job'] = {
    env: {},
    log: { info: () => {}, warning: () => {}, group: (_, work) => work() },
    signal,
    workspace: '/',
    inActions: false,
    scratch: () => Promise.reject(new Error('no folder')),
    openStore: () => Promise.reject(new Error('no store')),
    mask: () => {},
  };
  const host: Host = {
    job,
    input: () => '',
    output: () => {},
    summarise: async (markdown) => void summaries.push(markdown),
    fail: (message) => void failures.push(message),
    close: async () => {},
  };
  return { host, failures, summaries };
}

test('an action that does not notice a cancellation fails before the runner ends it by force', async () => {
  const controller = new AbortController();
  const { host, failures, summaries } = recordingHost(controller.signal);
  const action = defineAction({ inputs: {}, run: () => new Promise(() => {}) });
  const done = runAction('build', async () => action, host);
  await jest.advanceTimersByTimeAsync(60_000);
  expect(failures).toEqual([]);
  controller.abort(new Error('cancelled'));
  await jest.advanceTimersByTimeAsync(7000);
  await done;
  expect(failures).toEqual(['cancelled']);
  expect(summaries[0]).toContain('### ❌ build · cancelled');
});
