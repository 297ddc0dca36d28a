import { UserError } from '../../lib/errors.ts';

/** A repository in a registry. */
export interface Reference {
  /** With the port, if there is one. */
  readonly host: string;
  readonly repository: string;
}

/** `<name>` of the OCI distribution specification 1.1; a host is a DNS name or an address with an optional port. */
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?$/;
const LONGEST = 255;

/**
 * Reads `oci://HOST/REPO`.
 * @param input names the place in the error
 */
export function parseReference(value: string, input: string): Reference {
  // Whoever writes a user there may have written a password; what stands before a digest is none.
  const hidden = value.replace(/^(oci:\/\/)?.*@(?!sha(256|512):)/, '$1***@');
  const refuse = (why: string): UserError =>
    new UserError(
      `${input} is ${JSON.stringify(hidden)}: ${why}. A registry is given as oci://HOST/REPOSITORY`,
    );
  const text = value.replace(/^oci:\/\//, '').replace(/\/$/, '');
  const slash = text.indexOf('/');
  const [host, repository] = [text.slice(0, slash).toLowerCase(), text.slice(slash + 1)];
  if (slash < 1 || repository === '') throw refuse('it names no repository');
  if (text.includes('://') || hidden !== value)
    throw refuse('a user or another scheme does not belong in it');
  if (!HOST.test(host)) throw refuse(`${JSON.stringify(host)} is no host`);
  if (repository.includes('@') || /:[^/]*$/.test(repository))
    throw refuse('it names a tag or digest, and a store is a whole repository');
  if (/[A-Z]/.test(repository)) throw refuse(`repositories are in lower case: ${repository.toLowerCase()}`);
  if (!REPOSITORY.test(repository) || repository.length > LONGEST)
    throw refuse(`${JSON.stringify(repository)} is no repository: a-z 0-9 . _ - and / between them`);
  return { host, repository };
}

/** Whether a host is Docker Hub, which has several names. */
export function isDockerHub(host: string): boolean {
  return /^(registry-1\.|index\.)?docker\.io$/.test(host);
}
