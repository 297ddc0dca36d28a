/** What a registry asks for with a 401 (RFC 9110, 11.6.1; Bearer as in the distribution project's token specification). */
export type Challenge = { readonly scheme: 'basic' } | Bearer;

export interface Bearer {
  readonly scheme: 'bearer';
  /** Where tokens are given out. */
  readonly realm: string;
  readonly service: string | undefined;
}

/** A scheme, or one of its parameters; RFC 9110 lets one header hold several schemes. */
const PART = /([\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/g;

/** Reads a `WWW-Authenticate` header: bearer where it is offered, else basic; undefined for what registries do not use. */
export function parseChallenge(header: string): Challenge | undefined {
  const offered = new Map<string, Map<string, string>>();
  let params = new Map<string, string>();
  for (const [part, name = '', quoted, plain] of header.matchAll(PART)) {
    if (part === name) {
      params = new Map();
      offered.set(name.toLowerCase(), params);
    } else params.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
  }
  const bearer = offered.get('bearer');
  const realm = bearer?.get('realm');
  if (realm !== undefined) return { scheme: 'bearer', realm, service: bearer?.get('service') };
  return offered.has('basic') ? { scheme: 'basic' } : undefined;
}
