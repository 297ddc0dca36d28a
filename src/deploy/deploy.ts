import { join } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { messageOf } from '../lib/errors.ts';
import { hideSecrets } from '../lib/hide.ts';
import type { Log } from '../lib/log.ts';
import { type DeploymentConfig, deployment } from '../records/deployment.ts';
import { findPrevious, newestReleases } from '../records/history.ts';
import type { Stored } from '../records/kind.ts';
import { LOG_LAYER } from '../records/oci.ts';
import { release } from '../records/release.ts';
import { copyRecord } from '../store/copy.ts';
import { getRecord, layer, putRecord } from '../store/records.ts';
import { moveAlias } from './alias.ts';
import { historyOf, previousOf } from './history.ts';
import { withLock } from './lock.ts';
import { dropDamagedLayers, fetchRelease, isComplete, type Parts, readParts, readProbes } from './parts.ts';
import { FrontClient } from './process/front-client.ts';
import { endIdleFront, ensureFront, frontEnvironment } from './process/launch.ts';
import { keepRuntime } from './process/runtime.ts';
import { addressOf, makeSpec } from './process/spec.ts';
import { processTarget } from './process/target.ts';
import { prune } from './prune.ts';
import { repair } from './repair.ts';
import { type DeployDeps, type Deployed, type DeployRequest, locate, readSecrets } from './request.ts';
import { type Rollout, rollOut } from './rollout.ts';
import { makeState, removeIfEmpty, type State } from './state.ts';
import type { Target } from './target.ts';

/** How many releases stay on a machine, for a rollback without a store. */
const KEPT = 3;

/**
 * Brings a release live on this machine, and records what came of it: a Deployment, also when the release is refused.
 * @throws UserError for what is wrong before anything has changed; nothing is recorded then
 */
export async function deploy(request: DeployRequest, deps: DeployDeps): Promise<Deployed> {
  const state = await locate(request, deps);
  await makeState(state);
  try {
    return await withLock(state.lock, `a deploy to ${state.folder}`, async () => {
      const front = new FrontClient(state.folder);
      try {
        return await rollOutHere(await bring(request, state, front, deps), state, deps);
      } finally {
        await tidy(state, front).catch((error: unknown) =>
          deps.log.warning(`${state.folder} was not tidied up: ${messageOf(error)}`),
        );
      }
    });
  } finally {
    await removeIfEmpty(state);
  }
}

/** What this deploy has found out before it starts anything. */
interface Prepared {
  readonly parts: Parts;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Finds the release and its secrets, and brings all of it to the machine. */
async function bring(
  request: DeployRequest,
  state: State,
  front: FrontClient,
  { store, env, log, mask }: DeployDeps,
): Promise<Prepared> {
  await repair(state.store, store, log);
  const digest =
    request.release === 'previous'
      ? previousOf(state, await historyOf(state), (await front.find())?.live?.release)
      : request.release;
  const found = await getRecord([store, state.store], release, digest);
  const secrets = readSecrets(found, env, mask);
  const fetch = () =>
    log.group('Bring the release to this machine', () => fetchRelease(store, state.store, found));
  if (!(await isComplete(state.store, digest))) await fetch();
  // It may share them with a release that has been here for long.
  if (await dropDamagedLayers(state.store, digest, log)) await fetch();
  // A bad golden request is told before anything is started.
  await readProbes(state.store, digest);
  return { parts: await readParts(state.store, digest), secrets };
}

async function rollOutHere({ parts, secrets }: Prepared, state: State, deps: DeployDeps): Promise<Deployed> {
  const { name, environment } = state;
  const { env, signal } = deps;
  const startedAt = new Date().toISOString();
  const hide = hideSecrets(Object.values(secrets));
  const { log, text } = recording(deps.log);
  const runtime = join(deps.stateRoot, '.runtime');
  const front = await ensureFront({
    state: state.folder,
    name,
    environment,
    env,
    command: async () => keepRuntime(runtime, deps.node, await deps.frontCode(), frontEnvironment(env)),
  });
  const target = processTarget(front, {
    release: parts.release.digest,
    listen: addressOf(parts.release.config),
    secrets,
    makeSpec: () => makeSpec(parts, { state, secrets, env, log, signal, uv: deps.uv }),
  });
  const probesOf = (digest: Digest) => readProbes(state.store, digest);
  const rollout = await rollOut({ target, release: parts.release.digest, probesOf, log, hide, signal });
  const written = await record(parts, rollout, target, startedAt, text(), state);
  const isLive = rollout.outcome === 'live' || rollout.outcome === 'unchanged';
  if (isLive) await front.note(written.digest);
  // What serves by now serves, whatever becomes of the store.
  const unrecorded = await copyRecord(
    state.store,
    deps.store,
    written.digest,
    (kind) => kind === 'deployment',
  )
    .then(() => (isLive ? moveAlias(deps.store, parts.release) : undefined))
    .then(() => undefined, messageOf);
  const hasPrevious = findPrevious(await historyOf(state)) !== undefined;
  const frontPid = (await front.find())?.pid;
  return { state, parts, rollout, deployment: written, unrecorded, hasPrevious, frontPid };
}

/** Writes the Deployment to the machine. */
async function record(
  { release: subject }: Parts,
  { outcome, before, checks, reason, lines }: Rollout,
  { endpoint }: Target,
  startedAt: string,
  text: string,
  { store }: State,
): Promise<Stored<DeploymentConfig>> {
  const { name, environment } = subject.config;
  const bytes = Buffer.from([text, ...lines.map((line) => `  ${line}`), ''].join('\n'));
  return putRecord(store, deployment, {
    config: {
      name,
      environment,
      outcome,
      endpoint,
      checks: [...checks],
      before,
      reason,
      startedAt,
      endedAt: new Date().toISOString(),
    },
    layers: [layer(LOG_LAYER, await store.write({ bytes }), 'deploy.log')],
    subject,
  });
}

/** Waits for servers that end, ends a front without any, and removes what only older releases need. */
async function tidy(state: State, front: FrontClient): Promise<void> {
  if ((await front.find()) !== undefined) await front.whenRetired();
  await endIdleFront(front);
  const status = await front.find();
  const servers = [status?.live, status?.candidate, status?.previous].flatMap((one) => one ?? []);
  const newest = newestReleases(await historyOf(state), KEPT);
  const kept = [...new Set([...servers.map((one) => one.release), ...newest])];
  await prune(
    state,
    kept.slice(0, Math.max(KEPT, servers.length)),
    servers.flatMap((one) => one.folders),
  );
}

/** A log that keeps what it was told. */
function recording(log: Log): { log: Log; text(): string } {
  const lines: string[] = [];
  const keep =
    (write: (line: string) => void) =>
    (line: string): void => {
      lines.push(`${new Date().toISOString()} ${line}`);
      write(line);
    };
  return {
    log: {
      info: keep((line) => log.info(line)),
      warning: keep((line) => log.warning(line)),
      group: (title, work) => log.group(title, work),
    },
    text: () => lines.join('\n'),
  };
}
