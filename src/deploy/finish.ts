import { hexOf } from '../lib/digest.ts';
import { MachineError } from '../lib/errors.ts';
import { findPrevious } from '../records/history.ts';
import { historyOf } from '../store/history.ts';
import { TakenOver } from './ledger.ts';
import type { Parts } from './parts.ts';
import { exitStatusOf, isLive, onlyLive, type Plan } from './plan.ts';
import { publish, recordDeployment } from './record.ts';
import type { DeployDeps, Deployed } from './request.ts';
import type { Rollout } from './rollout.ts';

/** Writes the one record of a deploy, then forgets its journal. */
export async function finish(
  { site, hold, memory, release: wanted, startedAt, marks, approved }: Plan,
  parts: Parts,
  rollout: Rollout,
  { endpoint, text }: { endpoint: string; text: string },
  deps: DeployDeps,
): Promise<Deployed> {
  const { holds, ...others } = marks;
  const checks = approved === undefined ? [] : [{ name: 'approved', passed: true, detail: `by ${approved}` }];
  const deployment = await recordDeployment(site, hold, wanted, {
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
  }).catch((cause: unknown) => {
    if (cause instanceof TakenOver) throw cause;
    throw new MachineError(
      `release ${hexOf(wanted.digest, 12)} is ${rollout.outcome}, but no record of that could be written in ${site.location}; the next deploy writes it`,
      { cause, exitStatus: exitStatusOf(rollout) },
    );
  });
  await hold.write(
    isLive(rollout) ? { live: { release: wanted.digest, token: hold.token } } : onlyLive(memory),
  );
  return {
    site,
    parts,
    rollout,
    deployment,
    unrecorded: await publish(site, deployment, isLive(rollout) ? wanted : undefined, deps.store),
    // Whatever can't be told to people by now, the deploy has ended as it has.
    hasPrevious: await historyOf(site).then(
      (history) => findPrevious(history) !== undefined,
      () => false,
    ),
    stop: await site.stopCommand().catch(() => undefined),
  };
}
