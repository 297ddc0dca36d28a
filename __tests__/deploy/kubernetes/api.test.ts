import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { KubectlProxy } from '../../../src/deploy/kubernetes/proxy.ts';
import { configMap } from '../../../src/deploy/kubernetes/types/config-map.ts';
import { follow } from '../../../src/deploy/kubernetes/watch.ts';
import { MachineError, UserError } from '../../../src/lib/errors.ts';
import { ApiServer } from '../../support/api-server.ts';

const MAPS = '/api/v1/namespaces/ns/configmaps';
const thing = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

test('What it refuses is told in its own words', async () => {
  server.put(`${MAPS}/a`, thing('a'));
  server.forbidden = /^APPLY/;
  await expect(server.api().apply(`${MAPS}/a`, thing('a'))).rejects.toThrow(
    new UserError(
      `the API server refused to apply ConfigMap a (403): APPLY ${MAPS}/a: Forbidden. See docs/kubernetes.md for the Role that a deploy needs`,
    ),
  );
});

test('An object that others change at the same time is applied again, and not without end', async () => {
  server.put(`${MAPS}/a`, thing('a'));
  const other = { ...thing('a'), metadata: { name: 'a', resourceVersion: '2' } };
  const applying = server.api().apply(`${MAPS}/a`, other);
  await sleep(100);
  server.put(`${MAPS}/a`, thing('a'));
  expect((await applying).metadata.resourceVersion).toBe('3');
  const failed = server.api().apply(`${MAPS}/a`, other);
  await expect(failed).rejects.toThrow(MachineError);
  await expect(failed).rejects.toThrow(`refused to apply ConfigMap a (409): APPLY ${MAPS}/a: Conflict`);
}, 15_000);

test('A sign-in that fails is the user’s to mend before the first answer, and waited for after it', async () => {
  const said = 'Get "https://cluster": getting credentials: exec: executable aws failed with exit code 255';
  server.put(`${MAPS}/a`, thing('a'));
  server.behaviour = 'is gone';
  server.lastWords = said;
  const api = server.api(2);
  await expect(api.get(`${MAPS}/a`, configMap)).rejects.toThrow(UserError);
  server.behaviour = 'answers';
  await api.get(`${MAPS}/a`, configMap);
  server.behaviour = 'is gone';
  const asked = api.get(`${MAPS}/a`, configMap);
  await sleep(300);
  server.behaviour = 'answers';
  expect((await asked)?.metadata.name).toBe('a');
  server.behaviour = 'is gone';
  const failed = server.api(0.3).get(`${MAPS}/a`, configMap);
  await expect(failed).rejects.toThrow("kubectl can't sign in to the cluster");
  await expect(api.get(`${MAPS}/a`, configMap)).rejects.toThrow(MachineError);
}, 15_000);

test('What it does not have is no error', async () => {
  expect(await server.api().get(`${MAPS}/a`, configMap)).toBeUndefined();
  await server.api().remove(`${MAPS}/a`);
});

test('Only the version that is meant is replaced, and every request is counted', async () => {
  const api = server.api();
  const made = await api.create(MAPS, thing('a'), configMap);
  expect(await api.create(MAPS, thing('a'), configMap)).toBeUndefined();
  expect(await api.replace(`${MAPS}/a`, { ...thing('a'), ...made }, configMap)).toBeDefined();
  expect(await api.replace(`${MAPS}/a`, { ...thing('a'), ...made }, configMap)).toBeUndefined();
  expect(api.calls).toBe(server.requests.length);
});

test('An API server that is gone is waited for, and said once', async () => {
  server.put(`${MAPS}/a`, thing('a'));
  server.behaviour = 'is gone';
  const asked = server.api().get(`${MAPS}/a`, configMap);
  await sleep(400);
  server.behaviour = 'answers';
  expect((await asked)?.metadata.name).toBe('a');
  expect(server.log.warnings).toEqual([
    'the API server does not answer (dial tcp 127.0.0.1:6443: connect: connection refused); it is asked for 45 s',
  ]);
});

test('So is a webhook that it can’t call, and nothing else that fails inside of it', async () => {
  const words = 'failed calling webhook "policy.example": connection refused';
  server.broken = { asked: /^APPLY/, words };
  const asked = server.api().apply(`${MAPS}/a`, thing('a'));
  await sleep(400);
  server.broken = undefined;
  expect((await asked).metadata.name).toBe('a');
  expect(server.log.warnings).toEqual([
    `the API server does not answer (APPLY ${MAPS}/a: ${words}); it is asked for 45 s`,
  ]);
  server.broken = { asked: /^APPLY/, words: 'InternalError' };
  await expect(server.api().apply(`${MAPS}/a`, thing('a'))).rejects.toThrow(
    /ConfigMap a \(500\): .*InternalError/,
  );
});

test('It is not waited for without end', async () => {
  server.behaviour = 'is gone';
  const failed = server.api(0.3).get(`${MAPS}/a`, configMap);
  await expect(failed).rejects.toThrow(MachineError);
  await expect(failed).rejects.toThrow('the API server has not answered for 0.3 s: dial tcp');
});

test('Its clock is read from its own answers, and not from those of a pod', async () => {
  const api = server.api();
  server.date = new Date(Date.now() + 3_600_000).toUTCString();
  await api.send({ path: `${MAPS}/a`, isPassedOn: true });
  expect(Math.abs(api.now() - Date.now())).toBeLessThan(60_000);
  await api.send({ path: `${MAPS}/a` });
  expect(api.now() - Date.now()).toBeGreaterThan(3_500_000);
});

test('A watch tells of every change, and goes on after an API server that was gone', async () => {
  server.put(`${MAPS}/a`, thing('a'));
  const end = new AbortController();
  const seen: string[][] = [];
  const following = (async () => {
    for await (const found of follow(server.api(), MAPS, configMap, {}, end.signal))
      seen.push(found.map((one) => one.metadata.name));
  })();
  const whenSeen = async (names: string[]) => {
    for (let i = 0; i < 100 && seen.at(-1)?.join() !== names.join(); i++) await sleep(50);
    expect(seen.at(-1)).toEqual(names);
  };
  await whenSeen(['a']);
  await sleep(100);
  server.put(`${MAPS}/b`, thing('b'));
  await whenSeen(['a', 'b']);
  server.behaviour = 'is gone';
  server.cut();
  server.remove(`${MAPS}/a`);
  await sleep(300);
  server.behaviour = 'answers';
  await whenSeen(['b']);
  end.abort();
  await expect(following).rejects.toThrow('aborted');
});

test('Who may list and not watch is told so at once', async () => {
  server.forbidden = /^WATCH/;
  const watching = follow(server.api(), MAPS, configMap, {}, AbortSignal.timeout(5000));
  await watching.next();
  const refused = watching.next();
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toThrow(
    `the API server refused to watch ${MAPS} (403): WATCH ${MAPS}: Forbidden. See`,
  );
  expect(server.log.warnings).toEqual([]);
});

test('A watch ends when the API server is gone for too long', async () => {
  server.put(`${MAPS}/a`, thing('a'));
  const watching = follow(server.api(0.3), MAPS, configMap, {}, new AbortController().signal);
  await watching.next();
  const next = watching.next();
  await sleep(100);
  server.behaviour = 'is gone';
  server.cut();
  await expect(next).rejects.toThrow('the API server has not answered for 0.3 s');
});

test('A watch that was quiet for long and breaks goes on, since the API server is not gone', async () => {
  server.put(`${MAPS}/a`, thing('a'));
  const watching = follow(server.api(0.3), MAPS, configMap, {}, new AbortController().signal);
  await watching.next();
  const next = watching.next();
  await sleep(600);
  server.cut();
  expect((await next).value).toHaveLength(1);
  await watching.return(undefined);
});

test('Paths of a server that kubectl would refuse by itself are let through', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kubectl-'));
  const kubectl = join(folder, 'kubectl');
  await writeFile(kubectl, '#!/bin/sh\nprintf "%s\\n" "$@" > "$ARGUMENTS"\necho listens\nexec sleep 60\n');
  await chmod(kubectl, 0o755);
  const env = { PATH: process.env.PATH, ARGUMENTS: join(folder, 'arguments') };
  const proxy = await KubectlProxy.start({ env, context: undefined, scratch: folder, kubectl });
  const given = await readFile(env.ARGUMENTS, 'utf8');
  await proxy.close();
  await rm(folder, { recursive: true });
  expect(given.trimEnd().split('\n')).toContain('--reject-paths=^$');
});

test('Without kubectl the fix is named', async () => {
  const options = {
    env: { PATH: '/nowhere' },
    context: undefined,
    scratch: '/tmp',
    kubectl: '/nowhere/kubectl',
  };
  await expect(KubectlProxy.start(options)).rejects.toThrow(UserError);
  await expect(KubectlProxy.start(options)).rejects.toThrow(
    /no kubectl on the PATH .* Install it in a step before/,
  );
});
