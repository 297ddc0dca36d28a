import type { Digest } from '../lib/digest.ts';
import type { Environment } from '../lib/environment.ts';
import { UserError, userErrors } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { DeploymentConfig } from '../records/deployment.ts';
import type { Stored } from '../records/kind.ts';
import { environmentName, projectName } from '../records/names.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { getRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Parts } from './parts.ts';
import type { FrontCode } from './process/runtime.ts';
import type { Rollout } from './rollout.ts';
import { type State, stateOf } from './state.ts';

export interface DeployRequest {
  readonly release: Digest | 'previous';
  /** Of the project; with a digest only to be sure. */
  readonly name: string | undefined;
  readonly environment: string | undefined;
}

export interface DeployDeps {
  readonly store: Store;
  /** This machine's state, all projects together. */
  readonly stateRoot: string;
  /** The machine's variables, secrets included. */
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What the front is started with; both are copied. */
  readonly node: string;
  frontCode(): Promise<FrontCode>;
  uv(): Promise<string>;
  /** Hides a secret in all later output. */
  mask(secret: string, name: string): void;
}

export interface Deployed {
  readonly state: State;
  readonly parts: Parts;
  readonly rollout: Rollout;
  readonly deployment: Stored<DeploymentConfig>;
  /** Why the Deployment is on this machine only; undefined when the store has it, too. */
  readonly unrecorded: string | undefined;
  /** Whether `previous` would bring another release back. */
  readonly hasPrevious: boolean;
  /** The process that owns the port; ending it ends the service. */
  readonly frontPid: number | undefined;
}

/**
 * Where on this machine a release belongs: by the names that were given, or by those of the release.
 * @throws UserError for names that differ from the release's, or are missing
 */
export async function locate(
  { release: wanted, name, environment }: DeployRequest,
  { store, stateRoot }: DeployDeps,
): Promise<State> {
  const given = name === undefined || environment === undefined ? undefined : [name, environment];
  const problems = [
    ...(name === undefined ? [] : problemsOf(projectName.safeParse(name), `input name is ${name}`)),
    ...(environment === undefined
      ? []
      : problemsOf(environmentName.safeParse(environment), `input environment is ${environment}`)),
  ];
  if (problems.length > 0) throw userErrors('nothing can be deployed', problems);
  if (wanted === 'previous') {
    if (name === undefined || environment === undefined)
      throw new UserError('inputs name and environment are required when release is previous');
    return stateOf(stateRoot, name, environment);
  }
  const here = given === undefined ? [] : [stateOf(stateRoot, name ?? '', environment ?? '').store];
  const { config } = await getRecord([store, ...here], release, wanted);
  if (name !== undefined && name !== config.name)
    problems.push(`input name is ${name}, and the release is of project ${config.name}`);
  if (environment !== undefined && environment !== config.environment)
    problems.push(
      `input environment is ${environment}, and the release is made for ${config.environment}; release the package for ${environment} first`,
    );
  if (problems.length > 0) throw userErrors(`release ${wanted} is not deployed`, problems);
  return stateOf(stateRoot, config.name, config.environment);
}

/**
 * The values of the declared secrets.
 * @throws UserError naming every one that is missing; GitHub gives an empty text for a secret that does not exist
 */
export function readSecrets(
  { config }: Stored<ReleaseConfig>,
  env: Environment,
  mask: (secret: string, name: string) => void,
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

function problemsOf(
  parsed: { error?: { issues: readonly { message: string }[] } | undefined },
  place: string,
): string[] {
  return (parsed.error?.issues ?? []).map(({ message }) => `${place}: ${message}`);
}
