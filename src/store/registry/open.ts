import type { Log } from '../../lib/log.ts';
import { isLoopback } from '../../lib/loopback.ts';
import { Web } from '../../lib/web.ts';
import { Auth } from './auth.ts';
import { RegistryClient } from './client.ts';
import { type CredentialPlace, findCredential } from './credentials.ts';
import { parseReference } from './reference.ts';
import { RegistryStore } from './registry.ts';

/** What a registry's client needs of the place where it runs. */
export interface RegistryPlace extends CredentialPlace {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Hosts that may be spoken to without TLS, with the port unless it is 80; loopback always is. */
  readonly plainHttp: readonly string[];
  /** A new empty folder of this machine. */
  readonly scratch: () => Promise<string>;
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

/**
 * Opens one repository of a registry; nothing is asked of it yet.
 * @param value `oci://HOST/REPOSITORY`
 * @param input names the place of the value in errors
 * @throws UserError when it does not name a repository
 */
export function openRegistry(value: string, input: string, place: RegistryPlace): RegistryStore {
  const reference = parseReference(value, input);
  const { log, signal, env, plainHttp, scratch, sleep } = place;
  const web = new Web({ log, signal, env, plainHttp, sleep });
  const { host, hostname } = new URL(`http://${reference.host}`);
  const isPlain = plainHttp.includes(host) || isLoopback(hostname);
  const auth = new Auth(web, reference.host, () => findCredential(reference.host, place));
  const client = new RegistryClient(reference, web, auth, log, isPlain ? 'http' : 'https');
  return new RegistryStore({ client, location: value, log, signal, scratch });
}
