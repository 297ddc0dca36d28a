import { resolve } from 'node:path';
import type { Digest } from '../../lib/digest.ts';
import type { Environment } from '../../lib/environment.ts';
import { MachineError, messageOf, UserError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { Web } from '../../lib/web.ts';
import { type Mirrored, mirror } from './mirror.ts';
import type { Mirroring } from './mirroring.ts';
import { MlflowServer } from './server.ts';

/** What to mirror, and where the package is. */
export interface ToMirror extends Omit<Mirroring, 'server' | 'source'> {
  readonly url: URL;
  /** Hosts that may be spoken to without TLS. */
  readonly plainHttp: readonly string[];
  /** The store as the user named it. */
  readonly place: string;
  /** How long all of it may take; ten minutes unless given. */
  readonly patienceMs?: number;
}

/** What it takes of the place where it runs. */
export interface MirrorPlace {
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What a relative path of a store is relative to. */
  readonly workspace: string;
  /** Hides a secret in all later output. */
  mask(secret: string, name: string): void;
}

/** What came of it: what the server has, or why it has not. */
export type MirrorOutcome = Mirrored | { readonly problem: string };

/** Tells the team's MLflow server of a package. The package is in the store by then, so that what fails here is a warning. */
export async function mirrorTo(
  { url, plainHttp, place, patienceMs = 600_000, ...rest }: ToMirror,
  job: MirrorPlace,
): Promise<MirrorOutcome> {
  const { log, signal, env } = job;
  for (const name of ['MLFLOW_TRACKING_TOKEN', 'MLFLOW_TRACKING_PASSWORD']) {
    const secret = env[name]?.trim();
    if (secret) job.mask(secret, name);
  }
  const patience = AbortSignal.timeout(patienceMs);
  const web = new Web({ log, signal: AbortSignal.any([signal, patience]), env, plainHttp });
  const server = new MlflowServer(url, env, web);
  const source = sourceOf(place, rest.package, job.workspace);
  try {
    const mirrored = await mirror({ ...rest, server, source });
    log.info(
      mirrored.version === undefined
        ? `${mirrored.page}: the run, without a version of a model, because artifact: ends with this workflow run`
        : `${mirrored.page}: the run, and version ${mirrored.version} of ${rest.name}`,
    );
    return mirrored;
  } catch (error) {
    signal.throwIfAborted();
    const isKnown = patience.aborted || error instanceof MachineError || error instanceof UserError;
    if (!isKnown) throw error;
    const problem = patience.aborted
      ? `${url.origin} took longer than ${patienceMs / 1000} seconds in all`
      : messageOf(error);
    log.warning(
      `the package was written, but MLflow was not told all of it; run this step again once it can be: ${problem}`,
    );
    return { problem };
  }
}

/** MLflow refuses paths of files; a folder is an OCI layout, and is named as other tools name one. */
function sourceOf(place: string, digest: Digest, workspace: string): string | undefined {
  if (place === 'artifact:') return undefined;
  if (place.startsWith('oci://')) return `${place.replace(/\/$/, '')}@${digest}`;
  return `oci:${resolve(workspace, place)}@${digest}`;
}
