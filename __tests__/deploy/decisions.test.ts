/** What is not even begun: a release that a roll-back left, one of an older commit, one that nobody approved. */
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { UserError } from '../../src/lib/errors.ts';
import { recordingLog } from '../support/log.ts';
import { HERE, type Machine, outcomeOf, servingMachine } from '../support/machines.ts';
import { endProcessesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
beforeEach(async () => {
  machine = await servingMachine();
});
afterEach(() => machine.remove());

/** As a push or a schedule deploys. */
const bySchedule = { byHand: false, cause: { actor: 'bot', event: 'schedule' } } as const;

describe('a release that a roll-back left', () => {
  test('is held away, also from the person who names it, until one lifts that', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await machine.deploy(two);
    const back = await machine.deploy('previous', HERE);
    expect(back.deployment.config).toMatchObject({ outcome: 'live', holds: two, cause: { actor: 'alice' } });

    for (const how of [bySchedule, {}]) {
      const { rollout, deployment } = await machine.deploy(two, how);
      expect(rollout).toMatchObject({
        outcome: 'held',
        before: one,
        reason: expect.stringMatching(/^the roll-back of \S+ \S+ UTC by alice left it; to lift that, /),
      });
      expect(deployment.config.endpoint).toBe(`http://127.0.0.1:${machine.port}`);
      expect((await machine.served()).release).toBe(one);
    }
    const lifted = await machine.deploy(two, { lift: true });
    expect(lifted.deployment.config).toMatchObject({ outcome: 'live', lifts: true });
    expect(outcomeOf(await machine.deploy(two, bySchedule))).toEqual(['unchanged', two]);
  });

  test('is held as what it is: trained once more, the same does not come back by itself', async () => {
    const two = { model: 'two', config: { OFFSET: '0' } };
    await machine.deploy(await machine.release({ model: 'one' }));
    await machine.deploy(await machine.release(two));
    await machine.deploy('previous', HERE);
    const again = await machine.release({ ...two, trainedOn: 'another' });
    expect((await machine.deploy(again, bySchedule)).rollout.outcome).toBe('held');
    expect((await machine.deploy(again, { lift: true })).rollout.outcome).toBe('live');
    const third = await machine.release({ ...two, trainedOn: 'a third' });
    expect((await machine.deploy(third, bySchedule)).rollout.outcome).toBe('live');
    await machine.deploy('previous', HERE);
    const other = await machine.release({
      ...two,
      config: { OFFSET: '0', MORE: '1' },
    });
    expect((await machine.deploy(other, bySchedule)).rollout.outcome).toBe('live');
  });

  test('is held on a machine that is new, too: the store remembers', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await machine.deploy(two);
    await machine.deploy('previous', HERE);
    await endProcessesOf(machine.state);
    await rm(machine.state, { recursive: true });
    expect((await machine.deploy(two, bySchedule)).rollout).toMatchObject({ outcome: 'held', before: one });
  });

  test('by its digest is a roll-back, too; forward is none', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await machine.deploy(two);
    expect((await machine.deploy(one)).deployment.config).toMatchObject({ holds: two });
    const three = await machine.deploy(await machine.release({ model: 'three' }));
    expect(three.deployment.config).not.toHaveProperty('holds');
  });

  test('is not held by a roll-back that failed', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await machine.deploy(two);
    const control = new AbortController();
    const log = recordingLog();
    const cancelledOnceReady = {
      ...log,
      info: (line: string) => void (line.startsWith('✔ ready') && control.abort(new Error('cancelled'))),
    };
    const back = await machine.deploy('previous', {
      ...HERE,
      log: cancelledOnceReady,
      signal: control.signal,
    });
    expect(outcomeOf(back)).toEqual(['refused', two]);
    expect(back.deployment.config).not.toHaveProperty('holds');
    expect(outcomeOf(await machine.deploy(two, bySchedule))).toEqual(['unchanged', two]);
  });
});

describe('a release of an older commit', () => {
  const OLD = 'a'.repeat(40);
  const NEW = 'b'.repeat(40);
  /** The only thing that is known of these commits. */
  const isAncestor = async (older: { commit: string }, newer: { commit: string }): Promise<boolean> =>
    older.commit === OLD && newer.commit === NEW;

  test('is superseded, unless a person named it', async () => {
    const old = await machine.release({ model: 'old', explainedBy: OLD });
    const newer = await machine.release({ model: 'new', explainedBy: NEW });
    await machine.deploy(newer, { ...bySchedule, isAncestor });
    const { rollout } = await machine.deploy(old, { ...bySchedule, isAncestor });
    expect(rollout).toMatchObject({
      outcome: 'superseded',
      before: newer,
      reason: expect.stringContaining('commit aaaaaaaaaaaa is older than bbbbbbbbbbbb'),
    });
    expect((await machine.served()).release).toBe(newer);
    expect(outcomeOf(await machine.deploy(old, { isAncestor }))).toEqual(['live', newer]);
    // Forward again, without a word.
    const third = await machine.release({ model: 'third', explainedBy: NEW });
    expect(outcomeOf(await machine.deploy(third, { ...bySchedule, isAncestor }))).toEqual(['live', old]);
  });

  test('goes live where nobody can tell, and that is said', async () => {
    await machine.deploy(await machine.release({ model: 'new', explainedBy: NEW }), bySchedule);
    const old = await machine.release({ model: 'old', explainedBy: OLD });
    expect((await machine.deploy(old, bySchedule)).rollout.outcome).toBe('live');
    expect(machine.log.lines).toContain(
      `it can't be told whether commit ${OLD.slice(0, 12)} is older than what serves`,
    );
  });

  test('goes live when a newer one explains the same release', async () => {
    await machine.deploy(await machine.release({ model: 'new', explainedBy: NEW }), {
      ...bySchedule,
      isAncestor,
    });
    await machine.release({ model: 'old', explainedBy: OLD });
    const both = await machine.release({ model: 'old', explainedBy: 'c'.repeat(40) });
    expect((await machine.deploy(both, { ...bySchedule, isAncestor })).rollout.outcome).toBe('live');
  });
});

describe('a release that asks for approvers', () => {
  test('says who approved it', async () => {
    const release = await machine.release({ approvers: ['alice', 'acme/leads'] });
    const { deployment } = await machine.deploy(release);
    expect(deployment.config.checks[0]).toEqual({ name: 'approved', passed: true, detail: 'by alice' });
  });

  test('is not begun without one', async () => {
    const release = await machine.release({ approvers: ['alice'] });
    const approve = async (approvers: readonly string[], environment: string): Promise<string> => {
      throw new UserError(`${environment} needs ${approvers.join(' or ')}`);
    };
    await expect(machine.deploy(release, { approve })).rejects.toThrow('test needs alice');
    expect(await machine.front.find()).toBeUndefined();
    expect(await machine.store.names('deployment-')).toEqual(new Map());
  });
});
