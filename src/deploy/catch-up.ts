import { release } from '../records/release.ts';
import { historyOf } from '../store/history.ts';
import { getRecord } from '../store/records.ts';
import type { Hold, Journal, Memory } from './ledger.ts';
import { readProbes } from './parts.ts';
import { onlyLive } from './plan.ts';
import { publish, recordDeployment } from './record.ts';
import { recover } from './recover.ts';
import type { DeployDeps } from './request.ts';
import type { Site } from './site.ts';

/** Finishes or undoes what a killed deploy has begun, and records it; gives what the ledger says after it. */
export async function catchUp(site: Site, hold: Hold, deps: DeployDeps): Promise<Memory> {
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
    const deployment = await recordDeployment(site, hold, found, {
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
