import { z } from 'zod';
import { type Environment, isReserved } from '../../lib/environment.ts';
import { UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import { CommandError, run } from '../../lib/process.ts';
import type { Credential, CredentialPlace } from './credentials.ts';

/** What helpers answer instead of a user's name when they hold an identity token. */
const TOKEN_USER = '<token>';
/** One that waits for a person waits for ever. */
const PATIENCE_MS = 60_000;
const helped = z.looseObject({ Username: z.string(), Secret: z.string() });

/**
 * Asks a helper for the credential of a host, by the protocol of docker-credential-helpers: `get` with the name on stdin, JSON on
 * stdout; another status when it has none.
 * @param names under which the credential may be kept
 * @param place holds the configuration that names the helper, for errors
 * @throws UserError for a helper that cannot be started or does not answer; the reason of the signal
 */
export async function askHelper(
  helper: string,
  names: readonly string[],
  { env, signal }: Pick<CredentialPlace, 'env' | 'signal'>,
  place: string,
): Promise<Credential | undefined> {
  const what = `${place} names the credential helper ${JSON.stringify(helper)}`;
  if (!/^[\w.-]+$/.test(helper)) throw new UserError(`${what}; a helper is a plain name`);
  for (const name of names.slice(0, 2)) {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const answer = await run([`docker-credential-${helper}`, 'get'], {
      input: name,
      env: machineOnly(env),
      signal: AbortSignal.any([signal, patience]),
    }).catch((cause: unknown) => {
      if (cause instanceof CommandError) return undefined;
      signal.throwIfAborted();
      const why = patience.aborted
        ? `does not answer within ${PATIENCE_MS / 1000} s. It may wait for a person: unlock what it asks`
        : 'cannot be started. Install it';
      throw new UserError(`${what}, and docker-credential-${helper} ${why}, or take it out there`, { cause });
    });
    const parsed = helped.safeParse(tryJson(answer?.stdout.toString() ?? ''));
    if (!parsed.success) continue;
    const { Username: username, Secret: secret } = parsed.data;
    return username === TOKEN_USER
      ? { kind: 'token', token: secret }
      : { kind: 'password', username, password: secret };
  }
  return undefined;
}

/** A helper is a program of the machine's; what belongs to the job is not for it. */
function machineOnly(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !isReserved(name) && name !== 'DOCKER_AUTH_CONFIG'),
  );
}
