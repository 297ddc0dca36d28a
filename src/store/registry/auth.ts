import { z } from 'zod';
import { UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import type { Web } from '../../lib/web.ts';
import { bytesOf, placeOf, type WebAnswer } from '../../lib/web-answer.ts';
import { type Bearer, type Challenge, parseChallenge } from './challenge.ts';
import { type Credential, WHERE } from './credentials.ts';
import { basicOf, tokenRequest } from './token-request.ts';

/** `repository:NAME:pull,push`, what a token is good for. */
export type Scope = `repository:${string}:${string}`;

const LARGEST_ANSWER = 1 << 20;
/** The token specification's default; and how much of a token's life is left unused, for clocks that differ. */
const DEFAULT_SECONDS = 60;
const MARGIN = 0.2;

const tokenAnswer = z.looseObject({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  // Many leave it out, and some write it as text.
  expires_in: z.coerce.number().positive().optional().catch(undefined),
});

interface Token {
  readonly text: string;
  readonly until: number;
}

/** A registry gives no token for what is to be done. */
export class NoToken extends UserError {}

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
    const known = this.#tokens.get(key);
    const token = await known;
    if (token !== undefined && token.until > Date.now()) return bearer(token);
    // Of many requests that find it ended, the first has it renewed.
    if (this.#tokens.get(key) === known) this.#renew(key, this.#challenge, scopes);
    const renewed = await this.#tokens.get(key);
    return renewed === undefined ? this.headers(scopes) : bearer(renewed);
  }

  /**
   * Learns from a 401 what is asked for. False when it asks for nothing that could be given.
   * @param sent the Authorization header that was refused
   */
  async learn(answer: WebAnswer, scopes: readonly Scope[], sent: string | undefined): Promise<boolean> {
    const challenge = parseChallenge(answer.headers['www-authenticate'] ?? '');
    if (challenge === undefined) return false;
    this.#challenge = challenge;
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    const token = await known?.catch(() => undefined);
    // Another request may have had it renewed meanwhile.
    if (token !== undefined && bearer(token).authorization === sent && this.#tokens.get(key) === known)
      this.#tokens.delete(key);
    return true;
  }

  #renew(key: string, challenge: Bearer, scopes: readonly Scope[]): void {
    const fetched = this.#fetch(challenge, scopes);
    this.#tokens.set(key, fetched);
    // Whoever waits for it sees the failure.
    fetched.catch(() => this.#tokens.delete(key));
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

  /** Once: what waits for the token is itself tried again. */
  async #fetch(challenge: Bearer, scopes: readonly Scope[]): Promise<Token> {
    const asked = Date.now();
    const credential = await this.#given();
    const request = tokenRequest(challenge, scopes, credential);
    const answer = await this.#web.once(request);
    const { status } = answer;
    const text = (await bytesOf(answer, LARGEST_ANSWER)).toString();
    const who = credential === undefined ? 'without a credential' : 'with the credential that was found';
    if (status < 200 || status > 299)
      throw new NoToken(
        `${this.#host} gives no token for ${scopes.join(' ')} ${who} (${placeOf(request.url)} answered ${status}). Credentials are looked for in: ${WHERE}`,
      );
    const parsed = tokenAnswer.safeParse(tryJson(text));
    const token = parsed.data?.token || parsed.data?.access_token;
    if (!token)
      throw new UserError(
        `${placeOf(request.url)}, where ${this.#host} sends for tokens, answers without one`,
      );
    const seconds = parsed.data?.expires_in ?? DEFAULT_SECONDS;
    return { text: token, until: asked + seconds * 1000 * (1 - MARGIN) };
  }
}

function bearer({ text }: Token): { authorization: string } {
  return { authorization: `Bearer ${text}` };
}
