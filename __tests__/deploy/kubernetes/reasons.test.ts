import { describe, expect, test } from '@jest/globals';
import { reasonOf, warnedOf } from '../../../src/deploy/kubernetes/reasons.ts';
import { pod } from '../../../src/deploy/kubernetes/types/pod.ts';

const podWith = (status: object) =>
  reasonOf(pod.parse({ metadata: { name: 'toy-1' }, spec: { containers: [{ name: 'server' }] }, status }));
const containerWith = (status: object) =>
  podWith({ containerStatuses: [{ name: 'server', ready: false, restartCount: 0, ...status }] });

test('A pod that is just being started has no reason yet', () => {
  expect(podWith({})).toBeUndefined();
  expect(containerWith({ state: { waiting: { reason: 'ContainerCreating' } } })).toBeUndefined();
  expect(containerWith({ ready: true, state: {} })).toBeUndefined();
});

test('A pod that no node takes may find one later', () => {
  const message = '0/1 nodes are available: 1 Insufficient memory.';
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
  expect(podWith({ conditions })).toEqual({ text: `no node takes pod toy-1: ${message}`, isFinal: false });
});

test('An image that could not be pulled once may be pulled later, one that is given up for now is told', () => {
  const waiting = { reason: 'ErrImagePull', message: 'not found' };
  const text = 'pod toy-1: container server: its image can’t be pulled: not found';
  expect(containerWith({ state: { waiting } })).toEqual({ text, isFinal: false });
  expect(containerWith({ state: { waiting: { ...waiting, reason: 'ImagePullBackOff' } } })).toEqual({
    text,
    isFinal: true,
  });
});

test('A server that ends is told with its status, and once it ends again and again that is final', () => {
  const terminated = { exitCode: 42, reason: 'Error' };
  expect(containerWith({ state: { terminated } })).toEqual({
    text: 'pod toy-1: container server ended with status 42 at once',
    isFinal: false,
    log: { container: 'server', isPrevious: false },
  });
  const state = { waiting: { reason: 'CrashLoopBackOff' } };
  expect(containerWith({ state, lastState: { terminated }, restartCount: 1 })).toEqual({
    text: 'pod toy-1: container server ended with status 42 and was started again, 1 times by now',
    isFinal: true,
    log: { container: 'server', isPrevious: true },
  });
});

test('A server without memory is told as such', () => {
  const state = { waiting: { reason: 'CrashLoopBackOff' } };
  const lastState = { terminated: { exitCode: 137, reason: 'OOMKilled' } };
  expect(containerWith({ state, lastState, restartCount: 2 })?.text).toContain('server was out of memory');
});

test('A pod that was evicted has failed, and another one comes in its place', () => {
  const status = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' };
  expect(podWith(status)).toEqual({
    text: 'pod toy-1 failed: The node was low on resource: memory.',
    isFinal: false,
  });
});

describe('what only warnings tell', () => {
  const probe = 'Startup probe failed: HTTP probe failed with statuscode: 503';
  const warned = (terminated: object, warnings = [probe]) =>
    warnedOf(
      pod.parse({
        metadata: { name: 'toy-1' },
        spec: { containers: [{ name: 'server' }] },
        status: {
          containerStatuses: [{ name: 'server', ready: false, restartCount: 1, lastState: { terminated } }],
        },
      }),
      warnings,
    );

  test('A server that was ended for its probe is told by the probe’s words', () => {
    expect(warned({ exitCode: 143 })).toEqual({
      text: `pod toy-1: container server was not ready in time: ${probe}`,
      isFinal: true,
      log: { container: 'server', isPrevious: true },
    });
  });

  test('A server that ended by itself while it was asked is not, nor one without memory', () => {
    expect(warned({ exitCode: 42 })).toBeUndefined();
    expect(warned({ exitCode: 137, reason: 'OOMKilled' })).toBeUndefined();
    expect(warned({ exitCode: 143 }, [])).toBeUndefined();
  });

  test('A node that knows no image volumes is told with the fix', () => {
    const text = 'MountVolume failed: no volume plugin matched';
    expect(warned({ exitCode: 0 }, [text])?.text).toContain(
      'turn on the feature gate ImageVolume in each kubelet',
    );
  });
});
