import { messageOf, UserError } from '../lib/errors.ts';
import { hideSecrets } from '../lib/hide.ts';
import { findPrevious, isWayBack, lastServed, servedAfter } from '../records/history.ts';
import type { Stored } from '../records/kind.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { copyRecord } from '../store/copy.ts';
import { getRecord } from '../store/records.ts';
import { whyNotBegun } from './decide.ts';
import { historyOf, previousOf } from './history.ts';
import type { Hold, Journal, Memory } from './ledger.ts';
import { readParts, readProbes } from './parts.ts';
import { publish, recordDeployment, recording } from './record.ts';
import { recover } from './recover.ts';
import { type DeployDeps, type Deployed, type DeployRequest, readSecrets } from './request.ts';
import { type Rollout, rollOut } from './rollout.ts';
import type { Site } from './site.ts';

/**
 * Brings a release live at its site, and records what came of it: a Deployment, also when the release is refused.
 * @throws UserError for what is wrong before anything has changed; nothing is recorded then
 */
export async function deploy(site: Site, request: DeployRequest, deps: DeployDeps): Promise<Deployed> {
  await site.open();
  try {
    const hold = await site.ledger.lock(deps.signal);
    try {
      return await Promise.race([hold.lost, underLock(site, hold, request, deps)]);
    } finally {
      await site
        .tidy()
        .catch((error: unknown) =>
          deps.log.warning(`${site.location} was not tidied up: ${messageOf(error)}`),
        );
      await hold.release();
    }
  } finally {
    await site.close();
  }
}

async function underLock(
  site: Site,
  hold: Hold,
  request: DeployRequest,
  deps: DeployDeps,
): Promise<Deployed> {
  await site.mend();
  const memory = await recoverAtSite(site, hold, deps);
  const history = await historyOf(site);
  const live = (await site.live()) ?? memory.live?.release ?? lastServed(history);
  const digest = request.release === 'previous' ? previousOf(site, history, live) : request.release;
  const found = await getRecord([deps.store, site.records], release, digest);
  const { approvers } = found.config;
  const approved = approvers && (await deps.approve(approvers));
  const question = { release: found, live, history, byHand: request.byHand, lift: request.lift };
  const not = await whyNotBegun(question, [deps.store, site.records], deps.isAncestor);
  const isBack = request.release === 'previous' || (request.byHand && isWayBack(history, digest, live));
  const plan: Plan = {
    site,
    hold,
    memory,
    release: found,
    startedAt: new Date().toISOString(),
    approved,
    marks: {
      cause: deps.cause,
      ...(isBack && live !== undefined && live !== digest && { holds: live }),
      ...(request.lift && { lifts: true }),
    },
  };
  if (not === undefined) return begin(plan, deps);
  // Manifests alone, for what the Deployment stands on.
  if ((await site.records.get(digest)) === undefined)
    await copyRecord(deps.store, site.records, digest, () => false);
  const rollout = { ...not, before: live ?? null, checks: [], golden: [], lines: [] };
  deps.log.warning(not.reason);
  const endpoint = history.findLast((event) => servedAfter(event) === live)?.endpoint ?? '';
  return finish(plan, rollout, { endpoint, text: not.reason }, deps);
}

/** A deploy that is decided on. */
interface Plan {
  readonly site: Site;
  readonly hold: Hold;
  readonly memory: Memory;
  readonly release: Stored<ReleaseConfig>;
  readonly startedAt: string;
  /** Who approved it, where that is asked for. */
  readonly approved: string | undefined;
  readonly marks: Pick<Journal, 'cause' | 'holds' | 'lifts'>;
}

async function begin(plan: Plan, deps: DeployDeps): Promise<Deployed> {
  const { site, hold, memory, release: wanted, startedAt, approved, marks } = plan;
  const secrets = readSecrets(wanted, deps);
  await site.bring(wanted);
  const probesOf = (digest: Stored<unknown>['digest']) => readProbes(site.records, digest);
  // A bad golden request is told before anything is started.
  await probesOf(wanted.digest);
  const { log, text } = recording(deps.log);
  if (approved !== undefined) log.info(`approved by ${approved}`);
  const target = await site.target(wanted, secrets, hold);
  const last = memory.live?.release;
  const rollout = await rollOut({
    target,
    release: wanted.digest,
    probing: wanted.config.probing,
    last: last && {
      release: last,
      target: async () => {
        const before = await getRecord([site.records, deps.store], release, last);
        const itsSecrets = readSecrets(before, deps);
        await site.bring(before);
        return site.target(before, itsSecrets, hold);
      },
    },
    probesOf,
    mark: (step, before, checks) =>
      hold.write({
        ...memory,
        journal: {
          token: hold.token,
          release: wanted.digest,
          step,
          before,
          startedAt,
          checks: [...checks],
          ...marks,
        },
      }),
    log,
    hide: hideSecrets(Object.values(secrets)),
    signal: deps.signal,
  }).catch(async (error: unknown) => {
    // Nothing has changed; any other error leaves the journal for the next deploy.
    if (error instanceof UserError) await hold.write(memory);
    throw error;
  });
  const done = await finish(plan, rollout, { endpoint: target.endpoint, text: text() }, deps);
  if (isLive(rollout)) await site.note(done.deployment.digest);
  return done;
}

/** Writes the one record of a deploy, then forgets its journal. */
async function finish(
  { site, hold, memory, release: wanted, startedAt, marks, approved }: Plan,
  rollout: Rollout,
  { endpoint, text }: { endpoint: string; text: string },
  deps: DeployDeps,
): Promise<Deployed> {
  const { holds, ...others } = marks;
  const checks = approved === undefined ? [] : [{ name: 'approved', passed: true, detail: `by ${approved}` }];
  const deployment = await recordDeployment(site, wanted, {
    outcome: rollout.outcome,
    endpoint,
    checks: [...checks, ...rollout.checks],
    before: rollout.before,
    reason: rollout.reason,
    startedAt,
    token: hold.token,
    // A roll-back that failed has left nothing.
    ...(isLive(rollout) && holds !== undefined && { holds }),
    ...others,
    text: [text, ...rollout.lines.map((line) => `  ${line}`), ''].join('\n'),
  });
  await hold.write(
    isLive(rollout) ? { live: { release: wanted.digest, token: hold.token } } : onlyLive(memory),
  );
  return {
    site,
    parts: await readParts(site.records, wanted.digest),
    rollout,
    deployment,
    unrecorded: await publish(site, deployment, isLive(rollout) ? wanted : undefined, deps.store),
    hasPrevious: findPrevious(await historyOf(site)) !== undefined,
    stop: await site.stopCommand(),
  };
}

/** Finishes or undoes what a killed deploy has begun, and records it; gives what the ledger says after it. */
async function recoverAtSite(site: Site, hold: Hold, deps: DeployDeps): Promise<Memory> {
  const memory = await hold.read();
  const { journal } = memory;
  if (journal === undefined) return memory;
  const recorded = (await historyOf(site)).find(
    ({ token, release: which }) => token === journal.token && which === journal.release,
  );
  const found = await getRecord([site.records, deps.store], release, journal.release);
  let live = recorded?.outcome === 'live';
  if (recorded !== undefined) await publish(site, recorded, live ? found : undefined, deps.store);
  else {
    const target = await site.target(found, {}, hold);
    const probesOf = (digest: Journal['release']) => readProbes(site.records, digest);
    const came = await recover(journal, target, probesOf, deps.log);
    live = came.outcome === 'live';
    const { holds, lifts, cause, before, startedAt, token } = journal;
    const deployment = await recordDeployment(site, found, {
      ...came,
      endpoint: target.endpoint,
      before,
      startedAt,
      token,
      ...(cause && { cause }),
      ...(live && holds && { holds }),
      ...(lifts && { lifts }),
      text: `${came.reason ?? 'finished by the deploy after it'}\n`,
    });
    await publish(site, deployment, live ? found : undefined, deps.store);
  }
  const next = live ? { live: { release: journal.release, token: journal.token } } : onlyLive(memory);
  await hold.write(next);
  return next;
}

function onlyLive({ live }: Memory): Memory {
  return live === undefined ? {} : { live };
}

function isLive({ outcome }: Rollout): boolean {
  return outcome === 'live' || outcome === 'unchanged';
}
