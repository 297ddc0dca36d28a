import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type Environment, programEnvironment } from '../../lib/environment.ts';
import { UserError } from '../../lib/errors.ts';
import { expand } from '../../lib/expand.ts';
import type { Log } from '../../lib/log.ts';
import { activated, ensureEnvironment } from '../../lib/python.ts';
import { type ReleaseConfig, variablesOf } from '../../records/release.ts';
import { readLock } from '../../store/lock.ts';
import type { Parts } from '../parts.ts';
import { type Files, materialise } from './materialise.ts';
import type { ServerSpec } from './protocol.ts';
import type { State } from './state.ts';

export interface SpecDeps {
  readonly state: State;
  readonly secrets: Readonly<Record<string, string>>;
  /** The machine's variables, of which the server gets an allow-listed part. */
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  uv(): Promise<string>;
}

/** Lays out a release and makes its environment: all that the front needs to start it. */
export async function makeSpec(parts: Parts, deps: SpecDeps): Promise<ServerSpec> {
  const { release, modelPack, run, server } = parts;
  const { state, secrets, env, log, signal, uv } = deps;
  const { environment } = server.config;
  if (environment === undefined)
    throw new UserError(
      `release ${release.digest} has a server in a container image, which no machine runs here`,
    );
  const lock = await readLock(state.store, environment);
  const files = await materialise(state, parts);
  const python = await ensureEnvironment(lock, { folder: state.environments, env, log, signal, uv });
  // Its time says which environments were used last, see prune.
  await utimes(python.folder, new Date(), new Date());
  return {
    release: release.digest,
    package: modelPack.digest,
    run,
    listen: addressOf(release.config),
    command: commandOf(server.config.command, files),
    cwd: join(files.source, server.config.directory),
    env: {
      ...activated(programEnvironment(env, []), python),
      PYTHONUNBUFFERED: '1',
      ...variablesOf(release.config),
      TRAINYARD_RELEASE: release.digest,
    },
    secrets,
    ready: server.config.ready,
    readyTimeoutSeconds: server.config.readyTimeoutSeconds,
    folders: [files.folder, python.folder],
    files: [...files.list],
  };
}

/** Where the front of a release listens. @throws UserError for a release that is for another target */
export function addressOf({ target }: ReleaseConfig): ServerSpec['listen'] {
  if (target.kind !== 'process')
    throw new UserError(
      `the release is for the target ${target.kind}, which no front of this machine serves; release with target: {kind: process, port: …}`,
    );
  return { host: target.host, port: target.port };
}

/** The front puts the port in, at every start. */
function commandOf(command: readonly string[], { model, models }: Files): string[] {
  return expand(command, { model, models, host: '127.0.0.1', port: '${port}' }, 'server.command');
}
