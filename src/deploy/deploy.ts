import { namingDisk } from '../lib/disk-full.ts';
import { messageOf } from '../lib/errors.ts';
import { endpointOf, isWayBack, lastServed } from '../records/history.ts';
import { release } from '../records/release.ts';
import { copyRecord } from '../store/copy.ts';
import { historyOf } from '../store/history.ts';
import { getRecord } from '../store/records.ts';
import { begin } from './begin.ts';
import { catchUp } from './catch-up.ts';
import { whyNotBegun } from './decide.ts';
import { toldBy, warnOfOthers } from './elsewhere.ts';
import { finish } from './finish.ts';
import type { Hold } from './ledger.ts';
import { readParts } from './parts.ts';
import type { Plan } from './plan.ts';
import { previousOf } from './previous.ts';
import type { DeployDeps, Deployed, DeployRequest } from './request.ts';
import type { Site } from './site.ts';

/**
 * Brings a release live at its site, and records what came of it: a Deployment, also when the release is refused.
 * @throws UserError for what is wrong before anything has changed; nothing is recorded then
 */
export async function deploy(site: Site, request: DeployRequest, deps: DeployDeps): Promise<Deployed> {
  // How it has ended, and the error that comes first, stay as they are.
  const warnThat = (what: string) => (error: unknown) => deps.log.warning(`${what}: ${messageOf(error)}`);
  try {
    await site.open();
    const hold = await site.ledger.lock(deps.signal);
    const end = new AbortController();
    hold.lost.catch((error: unknown) => end.abort(error));
    const signal = AbortSignal.any([deps.signal, end.signal]);
    try {
      return await underLock(site, hold, request, { ...deps, signal });
    } finally {
      await hold
        .check()
        .then(() => site.tidy())
        .catch(warnThat(`${site.location} was not tidied up`));
      await hold
        .release()
        .catch(warnThat(`the lock of ${site.location} was not given back, and ends by itself`));
    }
  } catch (error) {
    throw await namingDisk(error, [site.location]);
  } finally {
    await site.close().catch(warnThat(`${site.location} was not left in order`));
  }
}

async function underLock(
  site: Site,
  hold: Hold,
  request: DeployRequest,
  deps: DeployDeps,
): Promise<Deployed> {
  await site.mend();
  const memory = await catchUp(site, hold, deps);
  const history = await historyOf(site);
  const told = await toldBy(site, history, deps);
  const live = (await site.live()) ?? memory.live?.release ?? lastServed(history) ?? lastServed(told);
  const { release: wanted } = request;
  const digest = wanted === 'previous' ? previousOf(site, told, live) : wanted;
  // The site first: what it keeps can be brought back while the store does not answer.
  const found = await getRecord([site.records, deps.store], release, digest);
  const { approvers } = found.config;
  const approved = approvers && (await deps.approve(approvers, site.environment));
  await warnOfOthers(found, told, deps);
  // Whoever asks for the one before means to go back.
  const byHand = request.byHand || wanted === 'previous';
  const question = { release: found, live, history: told, byHand, lift: request.lift };
  const not = await whyNotBegun(question, [deps.store, site.records], deps);
  const isBack = wanted === 'previous' || (byHand && isWayBack(told, digest, live));
  const plan: Plan = {
    site,
    hold,
    memory,
    release: found,
    history: told,
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
  const parts = await readParts(site.records, digest);
  return finish(plan, parts, rollout, { endpoint: endpointOf(told, live), text: not.reason }, deps);
}
