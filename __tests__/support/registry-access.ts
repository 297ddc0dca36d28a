/**
 * Who may do what: nobody is asked, basic authentication, or bearer tokens as the Docker registry's token specification has them
 * (a challenge names realm, service and scope; a token is good for what it was asked for, for a while).
 */
import { randomUUID } from 'node:crypto';
import type { Call } from './registry-options.ts';
import { RegistryError, type Reply, replyJson } from './registry-reply.ts';
import type { Operation } from './registry-routes.ts';

export type Action = 'pull' | 'push' | 'delete';
const ALL: readonly Action[] = ['pull', 'push', 'delete'];

export interface User {
  readonly password: string;
  /** An identity token, as `docker login` stores it for some registries: good at the token endpoint, by POST. */
  readonly identity?: string;
  /** Everywhere, or by repository; default everything. */
  readonly may?: readonly Action[] | Readonly<Record<string, readonly Action[]>>;
}

export interface AccessOptions {
  readonly kind: 'basic' | 'bearer';
  readonly users: Readonly<Record<string, User>>;
  /** What a token without a user is good for. Default nothing. */
  readonly anonymous?: readonly Action[];
  /** Seconds that a token lives. Default 300. */
  readonly lifetime?: number;
  /** The field that the token is answered in; registries differ. Default both. */
  readonly field?: 'token' | 'access_token';
}

interface Token {
  readonly user: User;
  readonly expires: number;
  /** Actions by repository. */
  readonly grants: ReadonlyMap<string, readonly string[]>;
}

type Scopes = ReadonlyMap<string, readonly Action[]>;

const NEEDS: Readonly<Partial<Record<Operation, readonly Action[]>>> = {
  headBlob: ['pull'],
  getBlob: ['pull'],
  headManifest: ['pull'],
  getManifest: ['pull'],
  listTags: ['pull'],
  listReferrers: ['pull'],
  deleteBlob: ['delete'],
  deleteManifest: ['delete'],
};

export class Access {
  readonly #options: AccessOptions;
  readonly #host: () => string;
  readonly #now: () => number;
  readonly #anonymous: User;
  readonly #tokens = new Map<string, Token>();
  /** How many tokens were given out. */
  issued = 0;

  constructor(options: AccessOptions, host: () => string, now: () => number) {
    this.#options = options;
    this.#host = host;
    this.#now = now;
    this.#anonymous = { password: '', may: options.anonymous ?? [] };
  }

  /** Refuses a request that lacks credentials (401), or whose user may not do it (403). */
  check(call: Call): void {
    const scopes = scopesOf(call);
    const user = this.#options.kind === 'basic' ? this.#basic(call) : this.#bearer(call, scopes);
    for (const [repository, actions] of scopes) {
      if (!actions.every((action) => mayOf(user, repository).includes(action)))
        throw new RegistryError(403, 'DENIED', `${actions.join(' and ')} of ${repository} is not permitted`);
    }
  }

  /** The token endpoint: GET with basic authentication or none, POST with a password or an identity token. */
  async answerToken(call: Call): Promise<Reply> {
    const chunks: Buffer[] = [];
    for await (const chunk of call.body()) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const query = form.size > 0 ? form : call.query;
    const user = form.size > 0 ? this.#fromForm(form) : this.#fromHeader(call.header('authorization'));
    if (user === undefined) throw new RegistryError(401, 'UNAUTHORIZED', 'these credentials are not known');
    const token = randomUUID();
    const lifetime = this.#options.lifetime ?? 300;
    const asked = query.getAll('scope').flatMap((scope) => scope.split(' '));
    const grants = asked.flatMap((scope) => {
      const [, repository = '', actions = ''] = /^repository:(.+):([^:]+)$/.exec(scope) ?? [];
      const may = mayOf(user, repository);
      return [
        [repository, actions.split(',').flatMap((one) => may.filter((action) => one === action))] as const,
      ];
    });
    this.#tokens.set(token, { user, expires: this.#now() + lifetime * 1000, grants: new Map(grants) });
    this.issued++;
    const { field } = this.#options;
    return replyJson({
      ...(field !== 'access_token' && { token }),
      ...(field !== 'token' && { access_token: token }),
      expires_in: lifetime,
      issued_at: new Date(this.#now()).toISOString(),
    });
  }

  /** Every token given out so far is good no more. */
  revoke(): void {
    this.#tokens.clear();
  }

  #basic(call: Call): User {
    const header = call.header('authorization');
    const user = header === undefined ? undefined : this.#fromHeader(header);
    if (user) return user;
    const challenge = { 'www-authenticate': `Basic realm="${this.#host()}"` };
    throw new RegistryError(401, 'UNAUTHORIZED', 'credentials are needed', challenge);
  }

  #bearer(call: Call, scopes: Scopes): User {
    const given = /^Bearer (.+)$/.exec(call.header('authorization') ?? '')?.[1];
    const token = given === undefined ? undefined : this.#tokens.get(given);
    if (token === undefined || token.expires <= this.#now())
      throw this.#challenge(scopes, given === undefined ? undefined : 'invalid_token');
    for (const [repository, actions] of scopes) {
      // A user who may do it needs a token for it; a user who may not is told so; nobody may still turn out to be a user.
      const may = token.user === this.#anonymous ? ALL : mayOf(token.user, repository);
      const granted = token.grants.get(repository) ?? [];
      if (actions.some((action) => may.includes(action) && !granted.includes(action)))
        throw this.#challenge(scopes, 'insufficient_scope');
    }
    return token.user;
  }

  #challenge(scopes: Scopes, error: string | undefined): RegistryError {
    const scope = [...scopes].map(([repository, actions]) => `repository:${repository}:${actions.join(',')}`);
    const parts = Object.entries({
      realm: `http://${this.#host()}/token`,
      service: this.#host(),
      ...(scope.length > 0 && { scope: scope.join(' ') }),
      ...(error !== undefined && { error }),
    }).map(([name, value]) => `${name}="${value}"`);
    return new RegistryError(401, 'UNAUTHORIZED', 'a token is needed', {
      'www-authenticate': `Bearer ${parts.join(',')}`,
    });
  }

  /** The user of a basic header; of none, the anonymous one. */
  #fromHeader(header: string | undefined): User | undefined {
    if (header === undefined) return this.#anonymous;
    const [, coded = ''] = /^Basic (.+)$/.exec(header) ?? [];
    const [, name = '', password = ''] =
      /^([^:]*):(.*)$/s.exec(Buffer.from(coded, 'base64').toString()) ?? [];
    return this.#withPassword(name, password);
  }

  #fromForm(form: URLSearchParams): User | undefined {
    const identity = form.get('refresh_token');
    if (form.get('grant_type') === 'refresh_token')
      return Object.values(this.#options.users).find(
        (user) => user.identity === identity && identity !== null,
      );
    return this.#withPassword(form.get('username') ?? '', form.get('password') ?? '');
  }

  #withPassword(name: string, password: string): User | undefined {
    const user = new Map(Object.entries(this.#options.users)).get(name);
    return user?.password === password ? user : undefined;
  }
}

function mayOf({ may = ALL }: User, repository: string): readonly Action[] {
  return isList(may) ? may : (new Map(Object.entries(may)).get(repository) ?? []);
}

function isList(may: NonNullable<User['may']>): may is readonly Action[] {
  return Array.isArray(may);
}

/** What a request needs; a push is also a pull, and a mount a pull from where it mounts. */
function scopesOf({ operation, repository, query }: Call): Scopes {
  if (repository === '') return new Map();
  const scopes = new Map([[repository, NEEDS[operation] ?? (['pull', 'push'] as const)]]);
  const source = operation === 'mountBlob' ? query.get('from') : null;
  if (source !== null && source !== repository) scopes.set(source, ['pull']);
  return scopes;
}
