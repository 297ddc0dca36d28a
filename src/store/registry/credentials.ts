import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, UserError } from '../../lib/errors.ts';
import { readIfThere } from '../../lib/files.ts';
import { tryJson } from '../../lib/json.ts';
import { askHelper } from './credential-helper.ts';
import { isDockerHub } from './reference.ts';

/** What a registry is told of who asks. `token` is an identity token, to be exchanged (OAuth2 refresh token). */
export type Credential =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

export interface CredentialPlace {
  /** The step's variables: DOCKER_AUTH_CONFIG, DOCKER_CONFIG, HOME, PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The job's own token, which GitHub's registry takes; undefined in the training zone. */
  readonly githubToken: string | undefined;
  readonly signal: AbortSignal;
}

const GITHUB = 'ghcr.io';
/** The name under which Docker keeps what is for Docker Hub. */
const DOCKER_HUB = 'https://index.docker.io/v1/';
const entry = z.looseObject({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const config = z.looseObject({
  auths: z.record(z.string(), entry).default({}),
  credHelpers: z.record(z.string(), z.string()).default({}),
  credsStore: z.string().optional(),
});
type Config = z.infer<typeof config>;

/** Where credentials are looked for, for people. */
export const WHERE =
  'the variable DOCKER_AUTH_CONFIG of the step, the Docker configuration of the machine with its credential helpers (docker login), and for ghcr.io the input token';

/**
 * Finds the credential for one host, which no other host is told: in DOCKER_AUTH_CONFIG, in the Docker configuration file,
 * from its credential helpers, and for GitHub's registry the job's token. Undefined: ask without one.
 */
export async function findCredential(host: string, place: CredentialPlace): Promise<Credential | undefined> {
  const { env, githubToken } = place;
  const given = env.DOCKER_AUTH_CONFIG;
  if (given) {
    const config = parseConfig(given, 'DOCKER_AUTH_CONFIG');
    const found = await credentialIn(config, host, place, 'DOCKER_AUTH_CONFIG');
    if (found !== undefined) return found;
  }
  const file = configFile(env);
  const text = file && (await readConfig(file));
  if (file !== undefined && text !== undefined) {
    const found = await credentialIn(parseConfig(text, file), host, place, file);
    if (found !== undefined) return found;
  }
  if (host !== GITHUB || !githubToken) return undefined;
  return { kind: 'password', username: env.GITHUB_ACTOR || 'trainyard', password: githubToken };
}

function configFile(env: CredentialPlace['env']): string | undefined {
  if (env.DOCKER_CONFIG) return join(env.DOCKER_CONFIG, 'config.json');
  return env.HOME ? join(env.HOME, '.docker', 'config.json') : undefined;
}

function readConfig(file: string): Promise<string | undefined> {
  return readIfThere(file).catch((cause: unknown) => {
    throw new UserError(
      `${file}, where credentials of registries are looked for, cannot be read (${codeOf(cause) ?? messageOf(cause)}). ` +
        'DOCKER_CONFIG is the folder that holds config.json; HOME may belong to another user',
      { cause },
    );
  });
}

function parseConfig(text: string, place: string): Config {
  const parsed = config.safeParse(tryJson(text));
  if (parsed.success) return parsed.data;
  // Never the text itself: it holds secrets.
  throw new UserError(
    `${place} is not a Docker configuration: JSON with "auths", "credHelpers" or "credsStore"`,
  );
}

async function credentialIn(
  { auths, credHelpers, credsStore }: Config,
  host: string,
  asks: CredentialPlace,
  place: string,
): Promise<Credential | undefined> {
  const names = namesOf(host);
  const helper = names.map((name) => credHelpers[name]).find(Boolean) || credsStore;
  if (helper) {
    const found = await askHelper(helper, names, asks, place);
    if (found !== undefined) return found;
  }
  const found = names.map((name) => auths[name]).find((one) => one !== undefined);
  if (found?.identitytoken) return { kind: 'token', token: found.identitytoken };
  if (found?.username && found.password)
    return { kind: 'password', username: found.username, password: found.password };
  if (!found?.auth) return undefined;
  const decoded = Buffer.from(found.auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 1)
    throw new UserError(`${place} holds an "auth" for ${host} that is not user:password in base64`);
  return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** The names under which tools keep the credential of a host. */
function namesOf(host: string): string[] {
  const names = [host, `https://${host}`, `https://${host}/`, `https://${host}/v2/`, `https://${host}/v1/`];
  return isDockerHub(host) ? [DOCKER_HUB, 'docker.io', ...names] : names;
}
