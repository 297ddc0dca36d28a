/** A host that speaks the protocol of the Hugging Face Hub, with one data set `acme/digits` whose large files lie on another host. */
import { createHash } from 'node:crypto';
import { startWebHost, type WebHost, type WebReply } from './web-host.ts';

export interface HubHost {
  readonly hub: WebHost;
  /** Where the large files are redirected to. */
  readonly storage: WebHost;
  /** The commit that `main` is. */
  readonly commit: string;
  close(): Promise<void>;
}

const PAGE = 2;

/**
 * Starts both hosts.
 * @param files by path; those that end in `.bin` are kept by Git LFS
 * @param token without which nothing is answered; by default everyone may see it
 */
export async function startHub(files: Readonly<Record<string, string>>, token?: string): Promise<HubHost> {
  const commit = createHash('sha1').update(JSON.stringify(files)).digest('hex');
  const storage = await startWebHost();
  const all = [
    ...Object.entries(files).map(([path, text]) => entryOf(path, text)),
    { type: 'directory', path: 'x', oid: commit, size: 0 },
  ];
  const page = (query: URLSearchParams, path: string): WebReply => {
    const start = Number(query.get('cursor') ?? 0);
    // As a mirror does: the next page is named at the host that it mirrors.
    const next = `<https://hub.example${path}?recursive=true&cursor=${start + PAGE}>; rel="next"`;
    const headers = start + PAGE < all.length ? { link: next } : {};
    return { status: 200, headers, body: JSON.stringify(all.slice(start, start + PAGE)) };
  };
  const hub = await startWebHost({
    answer: ({ path, headers }) => {
      if (token !== undefined && headers.authorization !== `Bearer ${token}`)
        return { status: 401, headers: { 'x-error-message': 'Invalid username or password.' } };
      const { pathname, searchParams } = new URL(path, 'http://hub');
      if (pathname === '/api/datasets/acme/digits/revision/main')
        return { status: 200, body: `{"sha":"${commit}"}` };
      if (pathname === `/api/datasets/acme/digits/tree/${commit}`) return page(searchParams, pathname);
      const prefix = `/datasets/acme/digits/resolve/${commit}/`;
      const name = decodeURIComponent(pathname.slice(prefix.length));
      const text = pathname.startsWith(prefix) ? files[name] : undefined;
      if (text === undefined) return { status: 404, headers: { 'x-error-message': 'Entry not found' } };
      if (!name.endsWith('.bin')) return { status: 200, body: text };
      return { status: 302, headers: { location: `${storage.url}/${name}?signature=abc` } };
    },
  });
  for (const [path, text] of Object.entries(files))
    storage.files.set(`/${path}?signature=abc`, Buffer.from(text));
  return {
    hub,
    storage,
    commit,
    close: async () => void (await Promise.all([hub.close(), storage.close()])),
  };
}

function entryOf(path: string, text: string) {
  const oid = createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');
  const sha256 = createHash('sha256').update(text).digest('hex');
  const size = Buffer.byteLength(text);
  return path.endsWith('.bin')
    ? { type: 'file', path, oid: '0'.repeat(40), size, lfs: { oid: sha256, size, pointerSize: 130 } }
    : { type: 'file', path, oid, size };
}
