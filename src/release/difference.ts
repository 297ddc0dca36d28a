import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../lib/digest.ts';
import { byBytes } from '../lib/json.ts';
import { modelLayer } from '../records/package.ts';
import { MANIFESTS_LAYER, type ReleaseConfig } from '../records/release.ts';
import type { Parts } from './parts.ts';

/** What of two releases is not the same. */
export interface Difference {
  /** Keys of the configuration, sorted. */
  readonly config: readonly string[];
  readonly other: readonly Part[];
  /** In how many places they differ. */
  readonly places: number;
}

/** `package`: what else is in it, such as the model card · `manifests`: the rendering alone. */
export type Part =
  | 'model'
  | 'server'
  | 'target'
  | 'secrets'
  | 'probing'
  | 'approvers'
  | 'package'
  | 'manifests';

/** Compares a release with the one that is live. */
export function differenceOf(live: Parts, made: Parts): Difference {
  const [before, after] = [live.release.config, made.release.config];
  const keys = [...new Set([...Object.keys(before.config), ...Object.keys(after.config)])].sort(byBytes);
  const config = keys.filter((key) => !isDeepStrictEqual(before.config[key], after.config[key]));
  const other: Part[] = [];
  if (!isDeepStrictEqual(modelIn(live), modelIn(made))) other.push('model');
  if (before.server !== after.server) other.push('server');
  if (!isDeepStrictEqual(before.target, after.target)) other.push('target');
  if (!isDeepStrictEqual(secretsIn(before), secretsIn(after))) other.push('secrets');
  for (const part of ['probing', 'approvers'] as const)
    if (!isDeepStrictEqual(before[part], after[part])) other.push(part);
  // Both follow from what is above, and tell something only where all of that is the same.
  if (other.length === 0 && live.package.digest !== made.package.digest) other.push('package');
  if (other.length + config.length === 0 && manifestsIn(live) !== manifestsIn(made)) other.push('manifests');
  return { config, other, places: config.length + other.length };
}

/** What makes a model: the Run, and its files that the package holds. */
function modelIn({ package: { manifest } }: Parts): unknown {
  const files = manifest.layers.filter(({ mediaType }) =>
    [modelLayer('weight'), modelLayer('weight.config')].includes(mediaType),
  );
  return [manifest.subject?.digest, files.map(({ digest }) => digest).sort(byBytes)];
}

function secretsIn({ secrets, secretReferences }: ReleaseConfig): unknown {
  return [secrets, secretReferences];
}

function manifestsIn({ release: { manifest } }: Parts): Digest | undefined {
  return manifest.layers.find(({ mediaType }) => mediaType === MANIFESTS_LAYER)?.digest;
}
