import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { machineName } from '../../src/lib/shared-lock.ts';
import { deployment } from '../../src/records/deployment.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { historyOf } from '../../src/store/history.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getRecord } from '../../src/store/records.ts';
import { until } from '../support/fronts.ts';
import { damage, HERE, type Machine, outcomeOf, servingMachine } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
beforeEach(async () => {
  machine = await servingMachine();
});
afterEach(() => machine.remove());

describe('what cannot be deployed', () => {
  test('a secret that is missing or empty, all of them, before anything is done', async () => {
    const release = await machine.release({ secrets: ['API_KEY', 'OTHER', 'THIRD'] });
    const env = { ...process.env, OTHER: '', THIRD: 'x' };
    await expect(machine.deploy(release, { env })).rejects.toThrow(
      'does not have: API_KEY, OTHER. Add to the step: env: {API_KEY: ${{ secrets.API_KEY }}, OTHER: ${{ secrets.OTHER }}}',
    );
    await until(async () => (await processesOf(machine.root)).length === 0);
    expect(await new LayoutStore(machine.state).names('')).toEqual(new Map());
  });

  test('a port that another program holds', async () => {
    const other = createServer().listen(machine.port, '127.0.0.1');
    const release = await machine.release();
    await expect(machine.deploy(release)).rejects.toThrow(
      `port ${machine.port} on 127.0.0.1 is held by another program`,
    );
    other.close();
    await until(async () => (await processesOf(machine.root)).length === 0);
    expect(await machine.store.names('deployment-')).toEqual(new Map());
    expect(outcomeOf(await machine.deploy(release))).toEqual(['live', null]);
  });

  test('names that are not those of the release, or no names', async () => {
    const release = await machine.release();
    await expect(machine.deploy(release, { name: 'other', environment: 'production' })).rejects.toThrow(
      /input name is other, and the release is of project toy\n.*input environment is production, and the release is made for test/s,
    );
    await expect(machine.deploy(release, { name: '../../x' })).rejects.toThrow('input name is ../../x');
    await expect(machine.deploy('previous', { name: 'toy' })).rejects.toThrow(
      'name and environment are required',
    );
    await expect(machine.deploy('previous', HERE)).rejects.toThrow('nothing was ever deployed here');
  });

  test('a Run, or a digest that is not there', async () => {
    const release = await machine.release();
    const { parts } = await machine.deploy(release);
    await expect(machine.deploy(parts.run)).rejects.toThrow(`${parts.run} is a run, but a release`);
    await expect(machine.deploy(digestOf(Buffer.from('?')))).rejects.toThrow('there is no release');
  });

  test('a release whose bytes differ, in the store or on the machine', async () => {
    const release = await machine.release({ model: 'weights' });
    const blob = digestOf(Buffer.from('weights'));
    await damage(machine.store.pathOf(blob));
    await expect(machine.deploy(release)).rejects.toThrow('the bytes differ from their digest');
    await writeFile(machine.store.pathOf(blob), 'weights');
    await machine.deploy(release);
    const second = await machine.release({ model: 'weights', config: { A: 1 } });
    await damage(new LayoutStore(machine.state).pathOf(blob));
    // It is the store's file, too: both are links to one.
    await expect(machine.deploy(second)).rejects.toThrow('the bytes differ from their digest');
    expect((await machine.served()).release).toBe(release);
  });

  test('what is damaged on the machine alone is brought again from the store', async () => {
    const release = await machine.release();
    const { run } = await machine.parents(release);
    await machine.deploy(release);
    const here = new LayoutStore(machine.state);
    const damaged = [digestOf(Buffer.from('weights')), release, run].map((blob) => here.pathOf(blob));
    for (const path of damaged) {
      await rm(path);
      await writeFile(path, 'forgery');
    }
    await machine.deploy(release, HERE);
    await machine.deploy(await machine.release({ config: { A: 1 } }));
    for (const path of damaged)
      expect(machine.log.warnings).toContain(
        `${path} was damaged: its bytes differed from their digest, and it was removed`,
      );
    expect(
      outcomeOf(
        await machine.deploy('previous', { ...HERE, store: new LayoutStore(join(machine.root, 'empty')) }),
      ),
    ).toEqual(['live', expect.any(String)]);
    expect((await machine.served()).release).toBe(release);
  });

  test('what is damaged of an old record, and in no store, is gone: it is in the way of no deploy', async () => {
    const old = (await machine.deploy(await machine.release())).deployment;
    const here = new LayoutStore(machine.state);
    const config = here.pathOf(old.manifest.config.digest);
    await rm(config);
    await writeFile(config, 'forgery');
    const another = { store: new LayoutStore(join(machine.root, 'another')) };
    const release = await machine.release({ config: { A: 1 } });
    await copyRecord(machine.store, another.store, release);
    expect((await machine.deploy(release, another)).rollout.outcome).toBe('live');
    expect(machine.log.warnings).toEqual([
      `${config} was damaged: its bytes differed from their digest, and it was removed`,
      `the record ${old.digest} is lost: its configuration is gone here, and ${another.store.location} has none`,
    ]);
    expect((await machine.deploy(release, another)).rollout.outcome).toBe('unchanged');
    expect((await historyOf({ records: here, ...HERE })).map(({ outcome }) => outcome)).toEqual([
      'live',
      'unchanged',
    ]);
  });

  test('a release that a killed deploy had brought without its name is brought again', async () => {
    const release = await machine.release();
    await cp(join(machine.root, 'yard', 'blobs'), join(machine.state, 'blobs'), { recursive: true });
    await machine.deploy(release);
    const here = new LayoutStore(machine.state);
    expect([...(await here.names('release-')).values()]).toEqual([release]);
    expect(await here.get(release)).toBeDefined();
  });

  test('nothing is left of a deploy that was refused before it began', async () => {
    const release = await machine.release({ secrets: ['API_KEY'] });
    await expect(machine.deploy(release)).rejects.toThrow('API_KEY');
    await expect(machine.deploy('previous', HERE)).rejects.toThrow('nothing was ever deployed here');
    expect(await readdir(join(machine.root, 'state'))).toEqual([]);
  });

  test('golden requests of another form, all lines at once', async () => {
    const golden = `{"request": {"method": "post", "path": "x"}, "response": {}}\n{}\nnot json\n`;
    const release = await machine.release({ golden });
    await expect(machine.deploy(release)).rejects.toThrow(
      /golden.jsonl:1: request.method: .*\n.*golden.jsonl:1: request.path: .*\n.*golden.jsonl:2: request: .*golden.jsonl:3: /s,
    );
  });

  test('while another deploy is at work; one that died is in nobody’s way', async () => {
    const release = await machine.release({ config: { MODE: 'hangs' }, server: { readyTimeoutSeconds: 2 } });
    const deploying = machine.deploy(release);
    await until(async () => ((await machine.front.find())?.candidate ?? null) !== null);
    await expect(machine.deploy(release)).rejects.toThrow(`is being done already, by process ${process.pid}`);
    await deploying;
    await mkdir(join(machine.state, 'lock'));
    await writeFile(join(machine.state, 'lock', `${await machineName()}.999999-12345.dead`), '0');
    expect(outcomeOf(await machine.deploy(await machine.release()))).toEqual(['live', null]);
    expect(await getRecord(machine.store, deployment, (await machine.served()).deployment)).toMatchObject({
      config: { outcome: 'live' },
    });
  });
});
