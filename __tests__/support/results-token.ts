/** The token of a job: a JWT whose scope names the run and the job, as GitHub's runner and act give it. */
import { z } from 'zod';
import { ServiceError } from './results-blobs.ts';

/** One job of one workflow run, by the ids that the results service knows them by. */
export interface JobIds {
  readonly run: string;
  readonly job: string;
}

const Claims = z.object({ scp: z.string(), exp: z.number().optional() });

/** A token for `ids` that ends at `expires` (milliseconds since the epoch). Not signed: nobody here checks it. */
export function makeToken(ids: JobIds, expires: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const scp = `Actions.Example Actions.Results:${ids.run}:${ids.job}`;
  return [
    part({ alg: 'HS256', typ: 'JWT' }),
    part({ scp, exp: Math.floor(expires / 1000) }),
    'unsigned',
  ].join('.');
}

/**
 * The run and job of an `Authorization: Bearer …` header.
 *
 * The signature is NOT checked, because act signs its tokens with a key of its own: this service belongs on a loopback
 * address in tests and local runs, nowhere else.
 */
export function readToken(header: string | undefined, now: number): JobIds {
  const payload = /^Bearer [\w-]+\.([\w-]+)\.[\w-]+$/.exec(header ?? '')?.[1];
  const claims = Claims.safeParse(payload && parseJson(Buffer.from(payload, 'base64url').toString()));
  if (!claims.success) throw new ServiceError(401, 'unauthenticated', 'no token of a job');
  if (claims.data.exp !== undefined && claims.data.exp * 1000 <= now) {
    throw new ServiceError(401, 'unauthenticated', 'the token has expired');
  }
  const scope = /(?:^| )Actions\.Results:([^: ]+):([^: ]+)(?: |$)/.exec(claims.data.scp);
  if (!scope?.[1] || !scope[2]) {
    throw new ServiceError(403, 'permission_denied', 'the token has no scope Actions.Results:RUN:JOB');
  }
  return { run: scope[1], job: scope[2] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
