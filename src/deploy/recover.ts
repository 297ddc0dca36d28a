import { hexOf } from '../lib/digest.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Check, DeploymentConfig } from '../records/deployment.ts';
import type { Journal } from './ledger.ts';
import { type Probes, proveServing } from './prove.ts';
import type { Target } from './target.ts';

/** What came of a deploy that was killed, found out by the next one. */
export type Recovered = Pick<DeploymentConfig, 'outcome' | 'checks' | 'reason'>;

/**
 * Finishes a deploy that was killed after its release was proved, and undoes one that was killed before; whatever serves then
 * is proved. One that can no longer be undone was live, even where nothing serves by now.
 * @param target of the release that was being deployed
 */
export async function recover(
  { release, step, before, token, checks: earlier, cause }: Journal,
  target: Target,
  probesOf: (release: Journal['release']) => Promise<Probes>,
  { log, hide }: { log: Log; hide(text: string): string },
): Promise<Recovered> {
  const checks: Check[] = [...earlier];
  const label = hexOf(release, 12);
  const wasProved = step === 'committing' || step === 'recording';
  log.warning(
    `deploy ${token} of ${label}${cause === undefined ? '' : ` by ${cause.actor}`} was killed while ${step}; it is ${wasProved ? 'finished' : 'undone'} first`,
  );
  const serves = async () => (await target.serving())?.release;
  const wasLive = (problem: string): Recovered => {
    log.warning(`it was live, and does not serve now: ${problem}`);
    checks.push({ name: 'serves still', passed: false, detail: problem });
    return { outcome: 'live', checks, reason: null };
  };
  let problem: string | undefined;
  if (wasProved) {
    try {
      checks.push(...(await proveServing(target, release, await probesOf(release))));
      await target.commit();
      return { outcome: 'live', checks, reason: null };
    } catch (error) {
      problem = hide(messageOf(error));
      // The switch was final; or all has ended since, and what served before does not serve either.
      if (step === 'recording' || (await serves()) === undefined) return wasLive(problem);
    }
  }
  const reason = `the deploy was killed while ${step}`;
  try {
    await target.revert();
    // Only a switch that is not final is taken back.
    if (problem !== undefined && release !== before && (await serves()) === release) return wasLive(problem);
    if (problem !== undefined) log.info(`it does not serve (${problem}); it is undone`);
    await target.abandon();
    if (before !== null)
      for (const check of await proveServing(target, before, await probesOf(before)))
        checks.push({ ...check, name: `${check.name} (the one before)` });
    return { outcome: 'interrupted', checks, reason };
  } catch (error) {
    checks.push({ name: 'the one before', passed: false, detail: hide(messageOf(error)) });
    return { outcome: 'restore-failed', checks, reason };
  }
}
