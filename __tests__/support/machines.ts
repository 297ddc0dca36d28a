import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deploy } from '../../src/deploy/deploy.ts';
import { locate, type SiteDeps } from '../../src/deploy/locate.ts';
import { readParts } from '../../src/deploy/parts.ts';
import { FrontClient } from '../../src/deploy/process/front-client.ts';
import { freePort } from '../../src/deploy/process/ports.ts';
import type { DeployDeps, Deployed, DeployRequest } from '../../src/deploy/request.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { ask, type HttpAnswer } from '../../src/lib/http.ts';
import type { Outcome } from '../../src/records/deployment.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { type RecordingLog, recordingLog } from './log.ts';
import { machineDeps } from './machine-deps.ts';
import { endProcessesOf } from './processes.ts';
import { putRelease, type ReleaseChoices } from './releases.ts';

/** The names under which a machine of this file serves. */
export const HERE = { name: 'toy', environment: 'test' };

/** What came of a deploy: its outcome, and what served before. */
export function outcomeOf({ rollout: { outcome, before } }: Deployed): readonly [Outcome, Digest | null] {
  return [outcome, before];
}

/** Changes the bytes of a file that nobody should change. */
export async function damage(path: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, 'forgery');
}

/** A machine that serves: a store, a state folder, and a port. */
export interface Machine {
  readonly root: string;
  readonly state: string;
  readonly port: number;
  readonly store: LayoutStore;
  readonly log: RecordingLog;
  readonly front: FrontClient;
  readonly masked: string[];
  /** A `dist` whose front runs from the source. */
  readonly dist: string;
  release(choices?: Partial<ReleaseChoices>): Promise<Digest>;
  /** What a release stands on. */
  parents(release: Digest): Promise<{ run: Digest }>;
  deploy(
    release: DeployRequest['release'],
    changes?: Partial<DeployDeps & SiteDeps & DeployRequest>,
  ): Promise<Deployed>;
  get(path: string): Promise<HttpAnswer>;
  /** What the endpoint says of itself. */
  served(): Promise<{ release: Digest | null; deployment: Digest; [fact: string]: unknown }>;
  remove(): Promise<void>;
}

export async function servingMachine(): Promise<Machine> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-deploy-')));
  const state = join(root, 'state');
  const port = await freePort();
  const store = new LayoutStore(join(root, 'yard'));
  const log = recordingLog();
  const masked: string[] = [];
  const dist = await fakeDist(join(root, 'dist'));
  await smallNode(join(root, 'node'));
  const deps: DeployDeps & SiteDeps = {
    ...machineDeps(root),
    store,
    log,
    mask: (secret) => void masked.push(secret),
  };
  const get = (path: string): Promise<HttpAnswer> =>
    ask({ host: '127.0.0.1', port }, { path, timeoutSeconds: 10 });
  return {
    root,
    state: join(state, 'toy', 'test'),
    port,
    store,
    log,
    masked,
    dist,
    front: new FrontClient(join(state, 'toy', 'test')),
    release: async (choices) => (await putRelease(store, { port, ...choices })).digest,
    parents: (release) => readParts(store, release),
    deploy: async (release, { name, environment, byHand = true, lift = false, ...changes } = {}) => {
      const request = { release, name, environment, byHand, lift };
      const all = { ...deps, ...changes };
      return deploy(await locate(request, all), request, all);
    },
    get,
    served: async () => JSON.parse((await get('/.trainyard/release')).body),
    remove: async () => {
      await endProcessesOf(root);
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A machine on which a first release serves. */
export async function servingOne(): Promise<{ machine: Machine; one: Digest }> {
  const machine = await servingMachine();
  const one = await machine.release({ model: 'one' });
  await machine.deploy(one);
  return { machine, one };
}

async function fakeDist(dist: string): Promise<string> {
  await mkdir(join(dist, 'front'), { recursive: true });
  await writeFile(join(dist, 'package.json'), '{"type":"module"}');
  const main = join(import.meta.dirname, 'front-main.ts');
  await writeFile(join(dist, 'front', 'index.js'), `await import(${JSON.stringify(main)});\n`);
  return dist;
}

/** Stands in for a program of a hundred megabytes, which would be copied for every test. */
async function smallNode(path: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
}
