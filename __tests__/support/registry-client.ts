/** The fewest requests that put something into a registry and get it out, for tests of registries themselves. */
import { digestOf } from '../../src/lib/digest.ts';

const OCI = 'application/vnd.oci.image';
export const MANIFEST = `${OCI}.manifest.v1+json`;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** One request; the answer's body is read to its end, and fails where the connection ends before. */
export async function ask(
  host: string,
  method: string,
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const url = new URL(path, `http://${host}`);
  const response = await fetch(url, { method, redirect: 'manual', ...init });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Opens an upload, and gives its URL. */
export async function open(host: string, repository: string, init: RequestInit = {}): Promise<string> {
  const { headers } = await ask(host, 'POST', `/v2/${repository}/blobs/uploads/`, init);
  return headers.get('location') ?? '';
}

/** The URL that ends an upload. */
export function ending(location: string, content: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${digestOf(Buffer.from(content))}`;
}

/** A blob by POST and PUT. */
export async function putBlob(
  host: string,
  repository: string,
  content: string,
  init: RequestInit = {},
): Promise<string> {
  const location = await open(host, repository, init);
  const { status } = await ask(host, 'PUT', ending(location, content), { ...init, body: content });
  if (status !== 201) throw new Error(`the blob was refused: ${status}`);
  return digestOf(Buffer.from(content));
}

/** A manifest without layers, whose config must be there; gives its digest. */
export async function putManifest(
  host: string,
  repository: string,
  reference: string | undefined,
  fields: object = {},
): Promise<string> {
  const config = await putBlob(host, repository, '{}');
  const descriptor = { mediaType: 'application/vnd.oci.empty.v1+json', digest: config, size: 2 };
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config: descriptor, layers: [], ...fields };
  const body = JSON.stringify(manifest);
  const digest = digestOf(Buffer.from(body));
  const path = `/v2/${repository}/manifests/${reference ?? digest}`;
  const { status, text } = await ask(host, 'PUT', path, { body, headers: { 'content-type': MANIFEST } });
  if (status !== 201) throw new Error(`the manifest was refused: ${status} ${text}`);
  return digest;
}
