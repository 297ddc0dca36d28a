import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { askEndpoint } from '../../src/release/answering.ts';
import { packageToPromote } from '../../src/release/promote.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { freePort } from '../support/digits.ts';
import { type RecordingLog, recordingLog } from '../support/log.ts';
import { refusalOf } from '../support/workshop.ts';
import { dayMs, dayText, deployOn, type Model, putModel, putReleaseOf } from '../support/yard.ts';

const DAY = 86_400;
const ADDRESS = '127.0.0.1';

let place: string;
let store: LayoutStore;
let log: RecordingLog;
let model: Model;
let served: Digest;
let open: (() => Promise<void>)[];
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'trainyard-'));
  store = new LayoutStore(join(place, 'yard'));
  log = recordingLog();
  open = [];
  model = await putModel(store, 'good', 1);
  served = await putReleaseOf(store, model.package, 'staging');
});
afterEach(async () => {
  for (const close of open) await close();
  await rm(place, { recursive: true, force: true });
});

/** Answers every request like this; its address. */
async function serve(answer: RequestListener): Promise<string> {
  return `http://${ADDRESS}:${await listen(createServer(answer))}`;
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, ADDRESS);
  await once(server, 'listening');
  open.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const answering = (release: Digest): Promise<string> =>
  serve((request, response) => {
    response.writeHead(request.url === '/.trainyard/release' ? 200 : 404).end(JSON.stringify({ release }));
  });

const promote = (day: number, soakSeconds = 0, isHere = false): Promise<Digest> =>
  packageToPromote(
    { name: 'toy', from: 'staging', soakSeconds },
    { store, log, now: () => dayMs(day), ask: (endpoint) => askEndpoint(endpoint, isHere) },
  );

describe('what serves is promoted', () => {
  test('as its package, when the endpoint answers as that release', async () => {
    await deployOn(store, 2, served, { endpoint: await answering(served) });
    expect(await promote(3, DAY)).toBe(model.package);
    expect(log.lines).toEqual([
      `staging serves release ${served.slice(7, 19)} since ${dayText(2)}; its package ${model.package} is promoted`,
    ]);
  });

  test('when it has been live for long, whatever was tried meanwhile', async () => {
    const endpoint = await answering(served);
    const other = await putReleaseOf(store, model.package, 'staging', { A: 1 });
    await deployOn(store, 1, other, { endpoint });
    await deployOn(store, 2, served, { endpoint, before: other });
    await deployOn(store, 3, served, { endpoint, outcome: 'unchanged', before: served });
    await deployOn(store, 4, other, { endpoint, outcome: 'rolled-back', before: served, reason: 'x' });
    expect(await promote(5, 3 * DAY)).toBe(model.package);
    expect(await refusalOf(promote(5, 3 * DAY + 1))).toMatch(
      /has been live for 3d \(since .*\), and has to be for 3d1s/,
    );
    await deployOn(store, 5, other, { endpoint, before: served });
    await deployOn(store, 6, served, { endpoint, before: other });
    expect(await refusalOf(promote(7, 2 * DAY))).toMatch(/has been live for 1d /);
  });

  test('when a deploy to another port has failed since: it is asked where it went live', async () => {
    await deployOn(store, 2, served, { endpoint: await answering(served) });
    const other = await putReleaseOf(store, model.package, 'staging', { A: 1 });
    const endpoint = `http://${ADDRESS}:${await freePort()}`;
    await deployOn(store, 3, other, { endpoint, outcome: 'refused', before: served, reason: 'x' });
    expect(await promote(4, 0, true)).toBe(model.package);
  });

  test('by the record, where it can’t be asked from here, which is said', async () => {
    await deployOn(store, 2, served, { endpoint: `http://${ADDRESS}:${await freePort()}` });
    expect(await promote(3)).toBe(model.package);
    expect(log.lines[0]).toMatch(/can't be asked from here \(.*ECONNREFUSED.*\); the record counts$/);
    await deployOn(store, 3, served, { endpoint: 'http://no-such-host.invalid:8080' });
    expect(await promote(4)).toBe(model.package);
  });
});

describe('refused:', () => {
  const nothing = (): RegExp =>
    /^what staging serves is not promoted: .*yard knows of nothing that serves toy there\./;

  test('nothing serves, or something of a name that begins alike', async () => {
    expect(await refusalOf(promote(3))).toMatch(nothing());
    const alike = await putReleaseOf(store, model.package, 'staging-2');
    await deployOn(store, 2, alike);
    expect(await refusalOf(promote(3))).toMatch(nothing());
    await deployOn(store, 2, served, { outcome: 'refused', before: null, reason: 'x' });
    expect(await refusalOf(promote(3))).toMatch(nothing());
  });

  test('the newest deployment could not be restored', async () => {
    await deployOn(store, 2, served);
    await deployOn(store, 3, served, { outcome: 'restore-failed', before: served, reason: 'no answer' });
    expect(await refusalOf(promote(4))).toBe(
      `what staging serves is not promoted: its newest deployment (${dayText(3)}) is restore-failed: no answer. Deploy there until it is live, then promote`,
    );
  });

  test('it went live too short a time ago, or in the future', async () => {
    await deployOn(store, 2, served, { endpoint: await answering(served) });
    const head = `what staging serves is not promoted: release ${served.slice(7, 19)} has been live for`;
    expect(await refusalOf(promote(2.5, DAY))).toBe(
      `${head} 12h (since ${dayText(2)}), and has to be for 1d (soak). Promote it in 12h`,
    );
    expect(await refusalOf(promote(1, DAY))).toBe(
      `${head} 0s (since ${dayText(2)}), and has to be for 1d (soak). Promote it when the clocks agree`,
    );
  });

  const other: Digest = `sha256:${'0'.repeat(64)}`;
  test.each([
    [
      'another release',
      () => answering(other),
      /live by the record, and http:\S+ answers as 000000000000\. Deploy to staging again$/,
    ],
    ['no release', () => serve((_, response) => void response.end('{}')), /, and it names no release$/],
    ['a page', () => serve((_, response) => void response.end('<html>')), /, and it does not answer: /],
    [
      '503',
      () => serve((_, response) => void response.writeHead(503).end()),
      /, and it answers with status 503$/,
    ],
    [
      'elsewhere',
      () => serve((_, response) => void response.writeHead(302, { location: '/' }).end()),
      /, and it does not answer: /,
    ],
    [
      'a connection that breaks',
      async () => `http://${ADDRESS}:${await listen(createTcpServer((socket) => void socket.destroy()))}`,
      /, and it does not answer: /,
    ],
  ])('the endpoint answers with %s', async (_what, endpoint, said) => {
    await deployOn(store, 2, served, { endpoint: await endpoint() });
    expect(await refusalOf(promote(3))).toMatch(said);
  });

  test('nothing listens on the machine where it runs', async () => {
    await deployOn(store, 2, served, { endpoint: `http://${ADDRESS}:${await freePort()}` });
    expect(await refusalOf(promote(3, 0, true))).toMatch(
      /is live at http:\S+, and it does not answer: .*ECONNREFUSED/,
    );
  });
});
