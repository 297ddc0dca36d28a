import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { canonicalBytes } from '../../lib/json.ts';
import { environmentName, projectName } from '../../records/names.ts';
import { digest } from '../../records/oci.ts';

/** A front of another protocol can't be told what to do; it says which it speaks. */
export const PROTOCOL = 1;

/** The name of the control socket in the state folder. */
export const SOCKET = 'front.sock';

/** Carries the fencing token of a deploy: a front that was told by a later one refuses an earlier one. */
export const TOKEN_HEADER = 'x-trainyard-token';

/** Answered by the front itself: what serves here. */
export const RELEASE_PATH = '/.trainyard/release';

export const address = z.strictObject({ host: z.string(), port: z.int().min(1).max(65535) });
export type Address = z.infer<typeof address>;

/** What a front needs to start a server, again and again. It is kept in memory only, because of the secrets. */
export const serverSpec = z.strictObject({
  release: digest,
  package: digest,
  run: digest,
  listen: address,
  /** In each argument `${port}` stands for the private port, which may be another one at every start. */
  command: z.array(z.string()).min(1),
  cwd: z.string(),
  env: z.record(z.string(), z.string()),
  secrets: z.record(z.string(), z.string()),
  ready: z.string().startsWith('/'),
  readyTimeoutSeconds: z.number().positive(),
  /** What must stay on the disk while it may be started again. */
  folders: z.array(z.string()),
  /** Every file of the release, verified at every start. */
  files: z.array(z.strictObject({ path: z.string(), digest, size: z.int().nonnegative() })),
});
export type ServerSpec = z.infer<typeof serverSpec>;

export const serverStatus = z.object({
  release: digest,
  package: digest,
  run: digest,
  listen: address,
  folders: z.array(z.string()),
  deployment: digest.nullable(),
  /** `down`: it died and is started again after a while · `failed`: it is not started again. */
  state: z.enum(['starting', 'up', 'down', 'failed']),
  /** On 127.0.0.1, while it is up. */
  port: z.int().nullable(),
  since: z.iso.datetime(),
  restarts: z.int(),
  /** Why it is not up, or last was not. */
  problem: z.string().nullable(),
  /** The last lines of its output. */
  lines: z.array(z.string()),
  /** Tells whether secrets are the same without telling them, see `secretsMark`. */
  secrets: z.string(),
});
export type ServerStatus = z.infer<typeof serverStatus>;

export const frontStatus = z.object({
  protocol: z.literal(PROTOCOL),
  pid: z.int(),
  name: projectName,
  environment: environmentName,
  salt: z.string(),
  live: serverStatus.nullable(),
  /** Started beside the live one, before the switch. */
  candidate: serverStatus.nullable(),
  /** Between switch and commit: what served before, or null when nothing did; undefined otherwise. */
  previous: serverStatus.nullable().optional(),
  /** Servers that are being drained or ended. */
  retiring: z.int(),
});
export type FrontStatus = z.infer<typeof frontStatus>;

/** What the control socket takes besides `GET /status`. */
export const verbs = ['start', 'switch', 'commit', 'revert', 'abandon', 'deployment'] as const;
export type Verb = (typeof verbs)[number];

export const note = z.strictObject({ deployment: digest });

/** A mark of secret values that is worth nothing outside the front that made the salt. */
export function secretsMark(salt: string, secrets: Readonly<Record<string, string>>): string {
  return createHmac('sha256', salt).update(canonicalBytes(secrets)).digest('hex');
}
