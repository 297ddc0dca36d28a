/** Fault 39: a release that is not well, in ways that one look does not show; and a way back that fails, too. */
import { rename } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TOKEN_HEADER } from '../../src/deploy/process/protocol.ts';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { ask } from '../../src/lib/http.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { deployStep } from '../support/deploy-step.ts';
import { startDeploy, toldBy, whenStopped } from '../support/deploys.ts';
import { until } from '../support/fronts.ts';
import { damage, type Machine, outcomeOf, servingOne } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let one: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
});
afterEach(() => machine.remove());

const window = { rate: 10, errors: 0, windowSeconds: 0, watchSeconds: 0 };

/** The release from before serves, alone. */
async function expectOneServes(): Promise<void> {
  expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
  expect((await toldBy(machine)).at(-1)?.checks.at(-1)).toMatchObject({
    name: 'golden requests in public (the one before)',
    passed: true,
  });
  await until(async () => (await processesOf(machine.state)).length === 2);
}

describe('a release that is ready, and then', () => {
  test('flaps, is refused in its window', async () => {
    const probing = { ...window, windowSeconds: 3 };
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'flaps' }, probing }));
    expect([rollout.outcome, rollout.reason]).toEqual([
      'refused',
      expect.stringMatching(/^window: 1 of \d+ requests failed, .*expected status 200, answered 503/),
    ]);
    await expectOneServes();
  });

  test('crashes alone, is refused in its window', async () => {
    const probing = { ...window, windowSeconds: 30 };
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'crashes' }, probing }));
    expect([rollout.outcome, rollout.reason]).toEqual(['refused', expect.stringMatching(/^window: \d+ of /)]);
    await expectOneServes();
  });

  test('crashes in public, is taken back while it is watched', async () => {
    const probing = { ...window, watchSeconds: 30 };
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'crashes' }, probing }));
    expect([rollout.outcome, rollout.before]).toEqual(['rolled-back', one]);
    await expectOneServes();
  });

  test('dies just before the switch, is not started again beside what serves', async () => {
    const two = await machine.release({ model: 'two' });
    const { child, ended } = startDeploy(machine, two, { step: 'switching', signal: 'SIGSTOP' });
    await whenStopped(child);
    const port = (await machine.front.status()).candidate?.port;
    await fetch(`http://127.0.0.1:${port}/die`).catch(() => {});
    await until(async () => (await machine.front.status()).candidate?.state !== 'up');
    child.kill('SIGCONT');
    expect((await ended).stdout).toBe('rolled-back');
    expect((await machine.front.status()).candidate).toBeNull();
    await expectOneServes();
  });
});

/** Comes between deploy and the front: the switch is told to have been done, and is not. */
async function withoutSwitch(): Promise<Server> {
  const [place, real] = [join(machine.state, 'front.sock'), join(machine.state, 'real.sock')];
  await rename(place, real);
  const between = createServer(async (request, answer) => {
    const body = await text(request);
    const token = request.headers[TOKEN_HEADER];
    const found = await ask(
      { socketPath: real },
      {
        ...(request.url === '/switch'
          ? { path: '/status' }
          : { method: request.method ?? '', path: request.url ?? '', body }),
        headers: token === undefined ? {} : { [TOKEN_HEADER]: String(token) },
        timeoutSeconds: 60,
      },
    );
    answer.writeHead(found.status).end(found.body);
  });
  await new Promise<void>((resolve) => void between.listen(place, resolve));
  return between;
}

test('200 with another release’s digest: it is taken back, and the one that answers is proved', async () => {
  const between = await withoutSwitch();
  const release = await machine.release({ model: 'two' });
  const { rollout } = await machine.deploy(release).finally(() => between.close());
  expect([rollout.outcome, rollout.before]).toEqual(['rolled-back', one]);
  expect(rollout.reason).toContain(
    `/.trainyard/release answered 200: {"name":"toy","environment":"test","release":"${one}"`,
  );
  await rename(join(machine.state, 'real.sock'), join(machine.state, 'front.sock'));
  await expectOneServes();
});

test('the way back fails, too: exit status 3, and it is recorded; the next release goes live', async () => {
  // The model on the machine is damaged, and its server dies: it is not started from it again.
  await damage(new LayoutStore(machine.state).pathOf(digestOf(Buffer.from('one'))));
  await machine.get('/die');
  await until(async () => (await machine.front.status()).live?.state === 'failed');
  const bad = await machine.release({ model: 'other', config: { MODE: 'dies' } });
  const step = await deployStep(machine, { release: bad });
  expect(step).toMatchObject({ status: 3, outputs: { outcome: 'restore-failed' } });
  expect(step.summary).toMatch(
    /^### 🔴 test · toy .* failed, and what served before does not answer as it should/,
  );
  expect(step.stdout).toMatch(/^::error::test: release \w{12} is restore-failed: .*look at it now$/m);
  const [, last] = await toldBy(machine);
  expect(last).toMatchObject({ release: bad, outcome: 'restore-failed', digest: step.outputs.deployment });
  expect(last?.checks.at(-1)).toMatchObject({ name: 'the one before', passed: false });
  const three = await machine.release({ model: 'three' });
  expect(outcomeOf(await machine.deploy(three))).toEqual(['live', one]);
  expect((await machine.served()).release).toBe(three);
});
