import { UserError } from '../../lib/errors.ts';
import type { WebRequest } from '../../lib/web.ts';
import type { Scope } from './auth.ts';
import type { Bearer } from './challenge.ts';
import type { Credential } from './credentials.ts';

/**
 * The request for a token: GET with Basic, or for an identity token the OAuth2 refresh grant.
 * @throws UserError for a place of tokens that is none
 */
export function tokenRequest(
  { realm, service }: Bearer,
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
    const body = async (): Promise<Buffer> => Buffer.from(form.toString());
    return { method: 'POST', url, headers, body, staysHome: true };
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

/** A user and a password as an Authorization header (RFC 7617). */
export function basicOf({ username, password }: Extract<Credential, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
