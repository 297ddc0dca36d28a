import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { holderName, isGoneHere } from '../../../src/deploy/kubernetes/holder.ts';
import { KubernetesLedger } from '../../../src/deploy/kubernetes/ledger.ts';
import { lease } from '../../../src/deploy/kubernetes/types/lease.ts';
import { digestOf } from '../../../src/lib/digest.ts';
import { MachineError, UserError } from '../../../src/lib/errors.ts';
import { holderOf } from '../../../src/lib/holder.ts';
import { machineName } from '../../../src/lib/shared-lock.ts';
import { ApiServer } from '../../support/api-server.ts';

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/ns/leases/trainyard-digits-production';
const MEMORY = '/api/v1/namespaces/ns/configmaps/trainyard-digits-production';
const LIVE = digestOf(Buffer.from('a release'));
const { signal } = new AbortController();

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

const ledger = (holder: string, seconds = 2, isGone = async (_: string) => false) =>
  new KubernetesLedger({
    api: server.api(),
    namespace: 'ns',
    name: 'trainyard-digits-production',
    labels: {},
    holder,
    seconds,
    log: server.log,
    isGone,
  });
/** What a holder leaves that is killed. */
const leaveLease = (holderIdentity: string, renewedAt: number) =>
  server.put(LEASE, {
    metadata: { name: 'x' },
    spec: {
      holderIdentity,
      leaseTransitions: 1,
      leaseDurationSeconds: 60,
      renewTime: new Date(renewedAt).toISOString(),
    },
  });
const leaseSpec = () => lease.parse(server.objects.get(LEASE)).spec;

test('The token grows with every holder, and what was written is read by the next', async () => {
  const first = await ledger('first').lock(signal);
  expect(await first.read()).toEqual({});
  await first.write({ live: { release: LIVE, token: first.token } });
  await first.release();
  expect(leaseSpec().holderIdentity).toBe('');
  const second = await ledger('second').lock(signal);
  expect(second.token).toBe(first.token + 1);
  expect(await second.read()).toEqual({ live: { release: LIVE, token: first.token } });
  await second.release();
});

test('The token grows even when somebody removed the Lease', async () => {
  const first = await ledger('first').lock(signal);
  await first.release();
  server.remove(LEASE);
  const second = await ledger('second').lock(signal);
  expect(second.token).toBeGreaterThan(first.token);
  await second.release();
});

test('Of two deploys at once, the second is told who holds the lock', async () => {
  const first = await ledger('https://forge/runs/1').lock(signal);
  const other = ledger('https://forge/runs/2').lock(signal);
  await expect(other).rejects.toThrow(UserError);
  await expect(other).rejects.toThrow(
    /another deploy is under way: https:\/\/forge\/runs\/1 holds the lock ns\/trainyard-/,
  );
  await first.release();
});

test('A holder that gives no word is waited for until its lease ends, then the lock is taken over', async () => {
  leaveLease('dead', Date.now() - 59_000);
  const begin = Date.now();
  const next = await ledger('next', 60).lock(signal);
  expect(next.token).toBe(2);
  expect(Date.now() - begin).toBeGreaterThan(1000);
  expect(server.log.warnings.join()).toContain(
    'dead held the lock ns/trainyard-digits-production and is gone',
  );
  await next.release();
});

test('A holder that is known to be gone is not waited for', async () => {
  const child = spawn('true');
  const [process] = await Promise.all([holderOf(child.pid ?? 0), once(child, 'close')]);
  const mine = await holderName('somebody');
  expect(await isGoneHere(mine)).toBe(false);
  const gone = mine.replace(/ \S+ (\S+)\]$/, ` ${process} $1]`);
  expect(await isGoneHere(gone)).toBe(true);
  expect(await isGoneHere(gone.replace(/\[\S+/, '[anothermachine'))).toBe(false);
  // Where /proc names no machine, as on macOS, its host name does.
  expect(mine).toContain(`[${await machineName()} `);
  leaveLease(gone, Date.now());
  const next = await ledger('next', 600, isGoneHere).lock(signal);
  expect(next.token).toBe(2);
});

test('A holder that was taken for dead is told, and writes nothing more', async () => {
  const slow = await ledger('slow').lock(signal);
  const spec = { ...leaseSpec(), renewTime: new Date(0).toISOString(), holderIdentity: '' };
  server.put(LEASE, { metadata: { name: 'x' }, spec });
  const next = await ledger('next').lock(signal);
  await next.write({ live: { release: LIVE, token: next.token } });
  await expect(slow.lost).rejects.toThrow(MachineError);
  await expect(slow.write({})).rejects.toThrow('was taken over by another deploy (token 2, this one has 1)');
  expect(await next.read()).toEqual({ live: { release: LIVE, token: 2 } });
  await slow.release();
  expect(leaseSpec().holderIdentity).toBe('next');
  await next.release();
});

test('It is renewed while it is held, and over an API server that is gone meanwhile', async () => {
  const held = await ledger('held', 4).lock(signal);
  const before = leaseSpec().renewTime;
  server.behaviour = 'is gone';
  await sleep(1500);
  server.behaviour = 'answers';
  await sleep(1500);
  expect(leaseSpec().renewTime).not.toBe(before);
  await held.write({});
  await held.release();
});

test('An answer that was lost on its way back is not taken for another holder', async () => {
  server.behaviour = 'takes writes and never answers them';
  const locking = ledger('mine', 600).lock(signal);
  while (!server.objects.has(LEASE)) await sleep(10);
  server.behaviour = 'answers';
  const held = await locking;
  expect(held.token).toBe(1);
  await held.release();
});

test('A Deployment is noted beside the memory, which stays', async () => {
  const one = ledger('one');
  const held = await one.lock(signal);
  await one.note(LIVE);
  await held.write({ live: { release: LIVE, token: 1 } });
  expect(server.objects.get(MEMORY)?.data).toMatchObject({ deployment: LIVE, token: '1' });
  await held.release();
});

test('A memory of another form is told with its place', async () => {
  server.put(MEMORY, { metadata: { name: 'm' }, data: { memory: '{"future": 1}' } });
  const held = await ledger('one').lock(signal);
  await expect(held.read()).rejects.toThrow('the ConfigMap ns/trainyard-digits-production holds a memory');
  await held.release();
});

test('What is refused to one who holds the lock is no mistake before which nothing was changed', async () => {
  const held = await ledger('one').lock(signal);
  server.forbidden = /configmaps/;
  await expect(held.write({})).rejects.toThrow(MachineError);
  await expect(held.check()).rejects.toThrow(MachineError);
  server.forbidden = undefined;
  await held.release();
});
