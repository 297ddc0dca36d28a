import { UserError } from '../lib/errors.ts';

/**
 * The hosts that may be spoken to without TLS, as a URL has them; they are written as `HOST[:PORT]`, with commas or white space between.
 * Only what is named: a job speaks to several registries, and a credential in plain sight is nobody's own any more.
 */
export function plainHosts(value: string, name: string): readonly string[] {
  const hosts = value.split(/[\s,]+/).filter(Boolean);
  return hosts.map((host) => {
    if (/^(true|false)$/i.test(host) || !/^[\w.:[\]-]+$/.test(host) || !URL.canParse(`http://${host}`))
      throw new UserError(
        `input ${name} is ${JSON.stringify(value)}; name the hosts that may be spoken to without TLS, HOST or HOST:PORT as in the store, with commas or spaces between, and leave it empty for none`,
      );
    return new URL(`http://${host}`).host;
  });
}
