import { byBytes } from '../lib/json.ts';
import type { Probing, ReleaseConfig } from '../records/release.ts';
import type { EnvironmentFile, Probe } from '../source/environment.ts';

/**
 * What a Release says of its environment besides the configuration. What nobody asked for is absent, so that a release without it keeps
 * its digest.
 */
export function settingsOf({
  target,
  secrets,
  probe,
  approvers,
}: EnvironmentFile): Omit<ReleaseConfig, 'name' | 'environment' | 'server' | 'config'> {
  const named = secrets.filter(({ reference }) => reference === undefined).map(({ name }) => name);
  const references = secrets.flatMap(({ name, reference }) =>
    reference ? [[name, reference] as const] : [],
  );
  return {
    target,
    secrets: [...new Set(named)].sort(byBytes),
    ...(references.length > 0 && { secretReferences: Object.fromEntries(references) }),
    ...(probe !== undefined && { probing: probingOf(probe) }),
    ...(approvers.length > 0 && { approvers: [...new Set(approvers)].sort(byBytes) }),
  };
}

function probingOf({ window = 0, watch = 0, rate = 5, p95, errors = 0 }: Probe): Probing {
  return {
    windowSeconds: window,
    watchSeconds: watch,
    rate,
    ...(p95 !== undefined && { p95Milliseconds: p95 }),
    errors,
  };
}
