import type { Digest } from '../lib/digest.ts';
import { hideSecrets } from '../lib/hide.ts';
import { release } from '../records/release.ts';
import { historyOf } from '../store/history.ts';
import { getRecord } from '../store/records.ts';
import { knownOf, knownOfEarlier } from './hidden.ts';
import type { Hold, Journal, Memory } from './ledger.ts';
import { readProbes } from './parts.ts';
import { endpointAfter, onlyLive } from './plan.ts';
import { publish, recordDeployment } from './record.ts';
import { recover } from './recover.ts';
import type { DeployDeps } from './request.ts';
import type { Site } from './site.ts';

/** Finishes or undoes what a killed deploy has begun, and records it; gives what the ledger says after it. */
export async function catchUp(site: Site, hold: Hold, deps: DeployDeps): Promise<Memory> {
  const memory = await hold.read();
  const { journal } = memory;
  if (journal === undefined) return memory;
  const history = await historyOf(site);
  const recorded = history.find(
    ({ token, release: which, startedAt }) =>
      token === journal.token && which === journal.release && startedAt === journal.startedAt,
  );
  const found = await getRecord([site.records, deps.store], release, journal.release);
  let live = recorded?.outcome === 'live';
  const tell = async (record: { readonly digest: Digest }): Promise<void> => {
    const why = await publish(site, record, live ? found : undefined, deps.store);
    if (why !== undefined)
      deps.log.warning(`${deps.store.location} does not know of Deployment ${record.digest}: ${why}`);
  };
  if (recorded !== undefined) await tell(recorded);
  else {
    const target = await site.target(found, {}, hold);
    const probesOf = (digest: Journal['release']) => readProbes(site.records, digest);
    // What the killed deploy was given is most likely given to this one, too.
    const hidden = [
      ...(await knownOf(site, found, deps)),
      ...(await knownOfEarlier(site, journal.before, deps)),
    ];
    const hide = hideSecrets(hidden);
    const { holds, lifts, cause, before, startedAt, token } = journal;
    const came = { before, ...(await recover(journal, target, probesOf, { log: deps.log, hide })) };
    live = came.outcome === 'live';
    const deployment = await recordDeployment(site, hold, found, {
      ...came,
      endpoint: endpointAfter(came, target.endpoint, history),
      startedAt,
      token,
      ...(cause && { cause }),
      ...(live && holds && { holds }),
      ...(lifts && { lifts }),
      text: `${came.reason ?? 'finished by the deploy after it'}\n`,
    });
    await tell(deployment);
  }
  const next = live ? { live: { release: journal.release, token: journal.token } } : onlyLive(memory);
  await hold.write(next);
  return next;
}
