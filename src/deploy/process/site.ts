import { join } from 'node:path';
import type { Digest } from '../../lib/digest.ts';
import { namingDisk } from '../../lib/disk-full.ts';
import type { Environment } from '../../lib/environment.ts';
import type { Log } from '../../lib/log.ts';
import { newestReleases } from '../../records/history.ts';
import type { Stored } from '../../records/kind.ts';
import type { ReleaseConfig } from '../../records/release.ts';
import { historyOf } from '../../store/history.ts';
import type { LayoutStore } from '../../store/layout.ts';
import type { Store } from '../../store/store.ts';
import type { Hold } from '../ledger.ts';
import { readParts } from '../parts.ts';
import type { Site } from '../site.ts';
import type { Target } from '../target.ts';
import { dropDamagedLayers, fetchRelease, isComplete } from './bring.ts';
import { FrontClient } from './front-client.ts';
import { ensureFront, frontEnvironment } from './launch.ts';
import { FolderLedger } from './ledger.ts';
import { prune } from './prune.ts';
import { repair } from './repair.ts';
import { type FrontCode, keepRuntime } from './runtime.ts';
import { addressOf, makeSpec } from './spec.ts';
import { makeState, removeIfEmpty, type State, stateOf } from './state.ts';
import { processTarget } from './target.ts';

/** How many releases stay on a machine, for a rollback without a store. */
const KEPT = 3;

export interface MachineDeps {
  readonly store: Store;
  /** This machine's state, all projects together. */
  readonly stateRoot: string;
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What the front is started with; both are copied. */
  readonly node: string;
  frontCode(): Promise<FrontCode>;
  uv(): Promise<string>;
}

/** One project and environment on this machine, behind a front of its own. */
export class MachineSite implements Site {
  readonly name: string;
  readonly environment: string;
  readonly location: string;
  readonly records: LayoutStore;
  readonly ledger: FolderLedger;
  readonly #state: State;
  readonly #deps: MachineDeps;
  #front: FrontClient;

  constructor(name: string, environment: string, deps: MachineDeps) {
    this.name = name;
    this.environment = environment;
    this.#state = stateOf(deps.stateRoot, name, environment);
    this.#deps = deps;
    this.location = this.#state.folder;
    this.records = this.#state.store;
    this.ledger = new FolderLedger(this.#state.folder);
    this.#front = new FrontClient(this.#state.folder);
  }

  open(): Promise<void> {
    return makeState(this.#state);
  }

  mend(): Promise<void> {
    return repair(this.records, this.#deps.store, this.#deps.log);
  }

  async live(): Promise<Digest | undefined> {
    return (await this.#front.find())?.live?.release;
  }

  async bring(release: Stored<ReleaseConfig>): Promise<void> {
    const { store, log } = this.#deps;
    const fetch = () =>
      log.group('Bring the release to this machine', () => fetchRelease(store, this.records, release));
    if (!(await isComplete(this.records, release.digest))) await fetch();
    // It may share them with a release that has been here for long.
    if (await dropDamagedLayers(this.records, release.digest, log)) await fetch();
  }

  async target(
    release: Stored<ReleaseConfig>,
    secrets: Readonly<Record<string, string>>,
    hold: Hold,
  ): Promise<Target> {
    const { stateRoot, env, log, node, frontCode, uv } = this.#deps;
    const { folder } = this.#state;
    const { name, environment } = this;
    const runtime = join(stateRoot, '.runtime');
    const command = async () => keepRuntime(runtime, node, await frontCode(), frontEnvironment(env));
    await hold.check();
    const front = await ensureFront({ state: folder, name, environment, token: hold.token, env, command });
    this.#front = front;
    const makeServerSpec = async (signal: AbortSignal) => {
      const parts = await readParts(this.records, release.digest);
      return makeSpec(parts, { state: this.#state, secrets, env, log, signal, uv }).catch(
        async (error: unknown) => {
          throw await namingDisk(error, [folder]);
        },
      );
    };
    return processTarget(front, {
      release: release.digest,
      listen: addressOf(release.config),
      secrets,
      makeSpec: makeServerSpec,
    });
  }

  async note(deployment: Digest): Promise<void> {
    await this.#front.note(deployment);
  }

  /** Waits for servers that end, ends a front without any, and removes what only older releases need. */
  async tidy(): Promise<void> {
    const front = this.#front;
    if ((await front.find()) !== undefined) await front.whenRetired();
    await front.endIdle();
    const status = await front.find();
    const servers = [status?.live, status?.candidate, status?.previous].flatMap((one) => one ?? []);
    const newest = newestReleases(await historyOf(this), KEPT);
    const kept = [...new Set([...servers.map((one) => one.release), ...newest])];
    await prune(
      this.#state,
      kept.slice(0, Math.max(KEPT, servers.length)),
      servers.flatMap((one) => one.folders),
    );
  }

  async stopCommand(): Promise<string | undefined> {
    const pid = (await this.#front.find())?.pid;
    return pid === undefined ? undefined : `kill ${pid}`;
  }

  close(): Promise<void> {
    return removeIfEmpty(this.#state);
  }
}
