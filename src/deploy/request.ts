import type { Digest } from '../lib/digest.ts';
import type { Environment } from '../lib/environment.ts';
import { UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Cause, DeploymentConfig } from '../records/deployment.ts';
import type { Stored } from '../records/kind.ts';
import type { ReleaseConfig } from '../records/release.ts';
import type { Store } from '../store/store.ts';
import type { IsAncestor } from './decide.ts';
import type { Parts } from './parts.ts';
import type { Rollout } from './rollout.ts';
import type { Site } from './site.ts';

export interface DeployRequest {
  readonly release: Digest | 'previous';
  /** Of the project; with a digest only to be sure. */
  readonly name: string | undefined;
  readonly environment: string | undefined;
  /** Whether a person named this release: then it may be of an older commit. */
  readonly byHand: boolean;
  /** Whether a person lifts what holds the release away. */
  readonly lift: boolean;
}

export interface DeployDeps {
  readonly store: Store;
  /** The variables of the step, secrets included. */
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly cause: Cause;
  readonly isAncestor: IsAncestor;
  /** Says who of the approvers started or approved this deploy. @throws UserError when none did */
  approve(approvers: readonly string[], environment: string): Promise<string>;
  /** Hides a secret in all later output. */
  mask(secret: string, name: string): void;
}

export interface Deployed {
  readonly site: Site;
  readonly parts: Parts;
  readonly rollout: Rollout;
  readonly deployment: Stored<DeploymentConfig>;
  /** Why the Deployment is at the target only; undefined when the store has it, too. */
  readonly unrecorded: string | undefined;
  /** Whether `previous` would bring another release back. */
  readonly hasPrevious: boolean;
  /** What a person types to end the service. */
  readonly stop: string | undefined;
}

/**
 * The values of the secrets that the deploy step has to give.
 * @throws UserError naming every one that is missing; GitHub gives an empty text for a secret that does not exist
 */
export function readSecrets(
  { config }: Stored<ReleaseConfig>,
  { env, mask }: Pick<DeployDeps, 'env' | 'mask'>,
): Record<string, string> {
  const missing = config.secrets.filter((name) => !env[name]);
  if (missing.length > 0) {
    const lines = missing.map((name) => `${name}: \${{ secrets.${name} }}`);
    throw new UserError(
      `the environment ${config.environment} declares secrets that the deploy step's environment does not have: ${missing.join(', ')}. Add to the step: env: {${lines.join(', ')}}; at a terminal, export ${missing.length > 1 ? 'them' : 'it'}`,
    );
  }
  const secrets = Object.fromEntries(config.secrets.map((name) => [name, env[name] ?? '']));
  for (const [name, value] of Object.entries(secrets)) mask(value, name);
  return secrets;
}
