import { describe, expect, test } from '@jest/globals';
import type { Ending, Evidence } from '../../src/train/ending.ts';
import { judge, type Verdict } from '../../src/train/verdict.ts';

const NOBODY = { group: 0, machine: 0 };
const ASKED = 1000;
const CUDA = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.';

const byItself = (status: number | null, signal: NodeJS.Signals | null = null): Ending => ({
  cause: 'itself',
  exit: { status, signal },
  askedAt: undefined,
  checkpointBefore: undefined,
  survivors: [],
  diverged: [],
});
const ended = (cause: Ending['cause'], status: number | null = 0): Ending => ({
  ...byItself(status),
  cause,
  askedAt: ASKED,
});
const verdictOn = (ending: Ending, more: Partial<Evidence> = {}): Promise<Verdict> =>
  judge(
    { ending, lastLines: [], memoryKills: NOBODY, ...more },
    { timeoutSeconds: 60, silenceSeconds: 5, timeBudgetSeconds: 30 },
    async () => [],
  );

const slurm = (what: 'out-of-memory' | 'stopped' | 'cancelled' | 'lost' | 'failed'): Partial<Evidence> => ({
  launcher: { what, reason: `Slurm says ${what}`, advice: 'see the site', askedAt: ASKED },
});

describe('each end has its state, its reason and what to do', () => {
  test.each<[string, Ending, Partial<Evidence>, string, RegExp]>([
    ['status 0', byItself(0), {}, 'succeeded', /^$/],
    ['a status', byItself(3), {}, 'failed', /ended with status 3; the last lines of its log/],
    ['a signal', byItself(null, 'SIGSEGV'), {}, 'failed', /ended by SIGSEGV/],
    ['SIGKILL by somebody', byItself(null, 'SIGKILL'), {}, 'failed', /something else .* SIGKILL/],
    [
      'SIGKILL by the kernel',
      byItself(null, 'SIGKILL'),
      { memoryKills: { group: undefined, machine: 1 } },
      'out-of-memory',
      /the kernel ended a process of it.*trainer.resources.memory/,
    ],
    [
      'a worker that the kernel killed, in a group of its own',
      byItself(1),
      { memoryKills: { group: 1, machine: 1 } },
      'out-of-memory',
      /the kernel/,
    ],
    [
      'a worker of torchrun that the kernel killed',
      byItself(1),
      { memoryKills: { group: undefined, machine: 1 }, lastLines: ['  exitcode  : -9 (pid: 12)'] },
      'out-of-memory',
      /the kernel/,
    ],
    [
      'a failure while the kernel killed somebody else',
      byItself(1),
      { memoryKills: { group: 0, machine: 1 } },
      'failed',
      /status 1/,
    ],
    ['status 137', byItself(137), {}, 'out-of-memory', /status 137/],
    [
      'MemoryError of Python',
      byItself(1),
      { lastLines: ['Traceback (most recent call last):', 'MemoryError'] },
      'out-of-memory',
      /more memory than the machine has/,
    ],
    [
      'MemoryError of NumPy',
      byItself(1),
      {
        lastLines: ['numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array'],
      },
      'out-of-memory',
      /smaller batch/,
    ],
    ['no memory on the GPU', byItself(1), { lastLines: [CUDA] }, 'out-of-gpu-memory', /gpu-memory/],
    [
      'no memory on the GPU, on one of torchrun’s ranks',
      byItself(1),
      {
        lastLines: [`[rank1]: ${CUDA}`, 'torch.distributed.elastic.multiprocessing.errors.ChildFailedError:'],
      },
      'out-of-gpu-memory',
      /GPU memory/,
    ],
    [
      'no memory on an AMD GPU',
      byItself(1),
      { lastLines: ['RuntimeError: HIP error: hipErrorOutOfMemory'] },
      'out-of-gpu-memory',
      /GPU memory/,
    ],
    [
      'no memory for XLA',
      byItself(1),
      { lastLines: ['XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes.'] },
      'out-of-gpu-memory',
      /GPU memory/,
    ],
    ['memory of the GPU that was overcome', byItself(0), { lastLines: [CUDA] }, 'succeeded', /^$/],
    [
      'a full disk, after memory that was overcome',
      byItself(1),
      { lastLines: [CUDA, 'OSError: [Errno 28] No space left on device', 'RuntimeError: while saving'] },
      'disk-full',
      /no room left on a disk; make room/,
    ],
    [
      'a full disk that is known',
      byItself(1),
      { fullDisk: 'the disk of /data' },
      'disk-full',
      /\(the disk of \/data\)/,
    ],
    ['no room for the log', ended('disk'), {}, 'disk-full', /no room left for its log/],
    ['silence', ended('silence'), {}, 'hung', /for 5 seconds.*trainer.silence/],
    ['NaN, while it runs', { ...ended('divergence'), diverged: ['loss'] }, {}, 'diverged', /loss became NaN/],
    ['NaN, and status 0', { ...byItself(0), diverged: ['loss'] }, {}, 'diverged', /learning rate/],
    ['the timeout', ended('timeout'), {}, 'failed', /after 60 seconds.*raise trainer.timeout/],
    ['cancelled', ended('cancelled'), {}, 'cancelled', /was cancelled.*start it again/],
    [
      'cancelled, with a checkpoint',
      ended('cancelled'),
      { checkpointAt: 2000 },
      'cancelled',
      /newest checkpoint/,
    ],
    [
      'the budget, kept',
      ended('budget', 1),
      { checkpointAt: 2000 },
      'checkpointed',
      /30 seconds.*goes on from/,
    ],
    [
      'the budget, kept before only',
      { ...ended('budget'), checkpointBefore: 900 },
      { checkpointAt: 900 },
      'failed',
      /SIGTERM.*time-budget/,
    ],
    ['the budget, nothing kept', ended('budget'), {}, 'failed', /completed no checkpoint/],
    ['Slurm’s memory', byItself(1), slurm('out-of-memory'), 'out-of-memory', /^Slurm says .*; see the site$/],
    [
      'Slurm’s limit, kept',
      byItself(0),
      { ...slurm('stopped'), checkpointAt: 2000 },
      'checkpointed',
      /^Slurm says/,
    ],
    ['Slurm’s limit, nothing kept', byItself(0), slurm('stopped'), 'failed', /^Slurm says stopped; see/],
    [
      'a machine that Slurm lost',
      byItself(1),
      { ...slurm('lost'), checkpointAt: 2000 },
      'checkpointed',
      /lost/,
    ],
    ['scancel by somebody', byItself(0), slurm('cancelled'), 'cancelled', /^Slurm says cancelled/],
  ])('%s', async (_, ending, more, state, reason) => {
    const verdict = await verdictOn(ending, more);
    expect(verdict.state).toBe(state);
    expect(verdict.reason ?? '').toMatch(reason);
  });
});

test('outputs that find no room are a full disk', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const verdict = await judge({ ending: byItself(0), lastLines: [], memoryKills: NOBODY }, {}, async () => {
    throw full;
  });
  expect(verdict).toMatchObject({
    state: 'disk-full',
    reason: expect.stringMatching(/outputs could not be kept/),
  });
});
