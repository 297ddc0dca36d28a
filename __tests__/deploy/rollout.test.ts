/** The machine of a deploy over a target that fails as it is told: what it undoes, what it remembers, and how it ends. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Journal, Step } from '../../src/deploy/ledger.ts';
import { recover } from '../../src/deploy/recover.ts';
import { rollOut } from '../../src/deploy/rollout.ts';
import { Refused, type Target } from '../../src/deploy/target.ts';
import { digestOf, hexOf } from '../../src/lib/digest.ts';
import { MachineError, UserError } from '../../src/lib/errors.ts';
import { recordingLog } from '../support/log.ts';

const old = digestOf(Buffer.from('old'));
const wanted = digestOf(Buffer.from('new'));
const never = new AbortController().signal;
const probes = { golden: [], tolerance: 0, ready: '/ready' };

type Verb = 'start' | 'switch' | 'commit' | 'revert' | 'abandon' | 'identify new' | 'identify old';

/** A target that keeps in mind what serves; what has to fail is thrown once. */
class FakeTarget implements Target {
  readonly endpoint = 'http://fake';
  readonly calls: string[] = [];
  readonly fails = new Map<Verb, Error>();
  serves = old;
  #before: typeof old | undefined;

  public = async () => ({ status: 200, headers: {}, body: '' });
  serving = async () => ({ release: this.serves, asWanted: true });
  async identify(release: typeof old, _signal?: AbortSignal) {
    this.#do(release === old ? 'identify old' : 'identify new');
    if (this.serves !== release) throw new Refused(`${this.serves} answers`);
    return hexOf(release, 12);
  }
  start = async () => {
    this.#do('start');
    return this.public;
  };
  switch = async () => {
    this.#do('switch');
    this.#before = this.serves;
    this.serves = wanted;
  };
  commit = async () => {
    this.#do('commit');
    this.#before = undefined;
  };
  revert = async () => {
    this.#do('revert');
    this.serves = this.#before ?? this.serves;
  };
  abandon = async () => this.#do('abandon');

  #do(verb: Verb): void {
    this.calls.push(verb);
    const error = this.fails.get(verb);
    this.fails.delete(verb);
    if (error !== undefined) throw error;
  }
}

let target: FakeTarget;
let steps: Step[];
beforeEach(() => {
  target = new FakeTarget();
  steps = [];
});

const roll = (more: Partial<Parameters<typeof rollOut>[0]> = {}) =>
  rollOut({
    target,
    release: wanted,
    probing: undefined,
    last: undefined,
    probesOf: async () => probes,
    mark: async (step) => void steps.push(step),
    log: recordingLog(),
    hide: (text) => text,
    signal: never,
    ...more,
  });

/** What the deploy after it makes of one that was killed. */
const recoverAt = (step: Step) => {
  const startedAt = '2026-01-01T00:00:00Z';
  const journal: Journal = { token: 1, release: wanted, step, before: old, startedAt, checks: [] };
  return recover(journal, target, async () => probes, { log: recordingLog(), hide: (text) => text });
};

describe('a mistake of the user', () => {
  test('that is told before the release was started has changed nothing', async () => {
    target.fails.set('start', new UserError('the port is held'));
    await expect(roll()).rejects.toThrow('the port is held');
    expect([target.calls, steps]).toEqual([['start'], ['starting']]);
  });

  test.each<[Verb, string]>([
    ['identify new', 'rolled-back'],
    ['switch', 'rolled-back'],
  ])('that %s tells of later is undone like any other fault', async (verb, outcome) => {
    target.fails.set(verb, new UserError('the token has expired'));
    expect(await roll()).toMatchObject({ outcome, before: old, reason: 'the token has expired' });
    expect(target.serves).toBe(old);
    expect(target.calls.slice(-3)).toEqual(['revert', 'abandon', 'identify old']);
  });
});

describe('a cancel while it is proved in public', () => {
  const control = () => {
    const controller = new AbortController();
    // As a target that does not answer: it ends with the signal alone.
    target.identify = (_release, signal) => {
      target.identify = FakeTarget.prototype.identify;
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        controller.abort(new Error('cancelled'));
      });
    };
    return controller.signal;
  };

  test('takes it back at once', async () => {
    expect(await roll({ signal: control() })).toMatchObject({ outcome: 'rolled-back', reason: 'cancelled' });
    expect(target.serves).toBe(old);
  });

  test('begins nothing where the release serves already', async () => {
    await expect(roll({ release: old, signal: control() })).rejects.toThrow('cancelled');
    expect([target.calls, steps]).toEqual([[], []]);
  });
});

describe('what is remembered', () => {
  test('of a deploy that was undone is never that it was proved', async () => {
    target.fails.set('identify new', new Refused('it is slow'));
    target.fails.set('revert', new MachineError('the cluster is gone'));
    expect(await roll()).toMatchObject({ outcome: 'restore-failed' });
    expect(steps).toEqual(['starting', 'probing', 'switching', 'watching', 'undoing']);
    // Killed before its record was written: the next deploy undoes it, though it would answer by now.
    const came = await recoverAt('undoing');
    expect([came.outcome, target.serves]).toEqual(['interrupted', old]);
  });

  test.each<Step>(['committing', 'recording'])(
    'of a deploy that was final, killed while %s, is that it was proved, though the server has died since',
    async (step) => {
      await roll();
      target.fails.set('identify new', new Refused('it is down'));
      const came = await recoverAt(step);
      expect([came.outcome, came.reason, target.serves]).toEqual(['live', null, wanted]);
      expect(came.checks.at(-1)).toMatchObject({ passed: false, detail: 'it is down' });
    },
  );

  test('of one that was not final yet, and whose server has died since, is that it was undone', async () => {
    await target.switch();
    target.fails.set('identify new', new Refused('it is down'));
    expect((await recoverAt('committing')).outcome).toBe('interrupted');
    expect(target.serves).toBe(old);
  });

  test('is what the release before has to answer: going back asks no store', async () => {
    const asked: string[] = [];
    const probesOf = async (release: string) => {
      asked.push(`${release === old ? 'old' : 'new'} at ${steps.at(-1) ?? 'first'}`);
      return probes;
    };
    target.fails.set('identify new', new Refused('it is slow'));
    await roll({ probesOf });
    expect(asked.slice(0, 2)).toEqual(['new at first', 'old at first']);
  });
});
