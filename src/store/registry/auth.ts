import { z } from 'zod';
import { UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import { bytesOf, placeOf, type Web, type WebAnswer, type WebRequest } from '../../lib/web.ts';
import { type Challenge, parseChallenge } from './challenge.ts';
import { type Credential, WHERE } from './credentials.ts';

/** `repository:NAME:pull,push`, what a token is good for. */
export type Scope = `repository:${string}:${string}`;

const LARGEST_ANSWER = 1 << 20;
/** The token specification's default; and how much of a token's life is left unused, for clocks that differ. */
const DEFAULT_SECONDS = 60;
const MARGIN = 0.2;

const tokenAnswer = z.looseObject({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
});

interface Token {
  readonly text: string;
  readonly until: number;
}

/**
 * Who asks one registry: nobody at first, then what it challenges for. Tokens are kept per scope and renewed before they
 * end, so a transfer may last longer than a token.
 */
export class Auth {
  readonly #web: Web;
  readonly #host: string;
  readonly #find: () => Promise<Credential | undefined>;
  #credential: Promise<Credential | undefined> | undefined;
  #challenge: Challenge | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  /** `find` gives the credential for this host; it is asked once, when the registry wants one. */
  constructor(web: Web, host: string, find: () => Promise<Credential | undefined>) {
    this.#web = web;
    this.#host = host;
    this.#find = find;
  }

  /** The Authorization header for some scopes; empty while the registry has not asked for one. */
  async headers(scopes: readonly Scope[]): Promise<Record<string, string>> {
    if (this.#challenge === undefined) return {};
    if (this.#challenge.scheme === 'basic') return { authorization: await this.#basic() };
    const key = scopes.join(' ');
    let token = await this.#tokens.get(key);
    if (token === undefined || token.until < Date.now()) {
      const fetched = this.#fetch(this.#challenge, scopes);
      this.#tokens.set(key, fetched);
      token = await fetched.catch((error: unknown) => {
        this.#tokens.delete(key);
        throw error;
      });
    }
    return { authorization: `Bearer ${token.text}` };
  }

  /** Learns from a 401 what is asked for. False when it asks for nothing that could be given. */
  learn(answer: WebAnswer, scopes: readonly Scope[]): boolean {
    const challenge = parseChallenge(answer.headers['www-authenticate'] ?? '');
    if (challenge === undefined) return false;
    this.#challenge = challenge;
    this.#tokens.delete(scopes.join(' '));
    return true;
  }

  async #given(): Promise<Credential | undefined> {
    this.#credential ??= this.#find();
    return this.#credential;
  }

  async #basic(): Promise<string> {
    const credential = await this.#given();
    if (credential?.kind !== 'password')
      throw new UserError(
        `${this.#host} asks for a user and a password, and none is known. They are looked for in: ${WHERE}`,
      );
    return basicOf(credential);
  }

  async #fetch(
    challenge: Extract<Challenge, { scheme: 'bearer' }>,
    scopes: readonly Scope[],
  ): Promise<Token> {
    const asked = Date.now();
    const credential = await this.#given();
    const request = tokenRequest(challenge, scopes, credential);
    const what = `the token for ${this.#host}`;
    const { status, text } = await this.#web.ask(what, request, async (answer) => ({
      status: answer.status,
      text: (await bytesOf(answer, LARGEST_ANSWER)).toString(),
    }));
    const who = credential === undefined ? 'without a credential' : 'with the credential that was found';
    if (status < 200 || status > 299)
      throw new UserError(
        `${this.#host} gives no token for ${scopes.join(' ')} ${who} (${placeOf(request.url)} answered ${status}). Credentials are looked for in: ${WHERE}`,
      );
    const parsed = tokenAnswer.safeParse(tryJson(text));
    const token = parsed.data?.token ?? parsed.data?.access_token;
    if (token === undefined)
      throw new UserError(
        `${placeOf(request.url)}, where ${this.#host} sends for tokens, answers without one`,
      );
    const seconds = parsed.data?.expires_in ?? DEFAULT_SECONDS;
    return { text: token, until: asked + seconds * 1000 * (1 - MARGIN) };
  }
}

/** GET with Basic, or for an identity token the OAuth2 refresh grant. */
function tokenRequest(
  { realm, service }: Extract<Challenge, { scheme: 'bearer' }>,
  scopes: readonly Scope[],
  credential: Credential | undefined,
): WebRequest {
  const url = parseRealm(realm);
  if (credential?.kind === 'token') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credential.token,
      client_id: 'trainyard',
      scope: scopes.join(' '),
      ...(service !== undefined && { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url, headers, body: async () => Buffer.from(form.toString()) };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers = credential === undefined ? {} : { authorization: basicOf(credential) };
  return { method: 'GET', url, headers };
}

function parseRealm(realm: string): URL {
  if (URL.canParse(realm)) return new URL(realm);
  throw new UserError(`a registry sends for tokens to ${JSON.stringify(realm)}, which is no URL`);
}

function basicOf({ username, password }: Extract<Credential, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
