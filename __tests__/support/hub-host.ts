/**
 * A host that speaks the protocol of the Hugging Face Hub, with one data set `acme/digits` whose large files lie on another host.
 * The Hub's own client (huggingface_hub 2.4: `repo_info`, `list_repo_tree`, `snapshot_download`) takes it for the Hub.
 */
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

type Files = Readonly<Record<string, string>>;
const PAGE = 2;
const REPOSITORY = 'acme/digits';

/**
 * Starts both hosts.
 * @param files by path; those that end in `.bin` are kept by Git LFS
 * @param options.token without which nothing is answered; by default everyone may see it
 * @param options.mirrors the origin that it is a mirror of, and that its pages therefore name; by default it names itself
 */
export async function startHub(
  files: Files,
  { token, mirrors }: { token?: string; mirrors?: string } = {},
): Promise<HubHost> {
  const commit = createHash('sha1').update(JSON.stringify(files)).digest('hex');
  const storage = await startWebHost();
  const tree = [
    ...Object.entries(files).map(([path, text]) => entryOf(path, text)),
    { type: 'directory', path: 'x', oid: commit, size: 0 },
  ];
  const pageAt = (query: URLSearchParams, path: string): WebReply => {
    const start = Number(query.get('cursor') ?? 0);
    const next = `<${mirrors ?? hub.url}${path}?recursive=true&cursor=${start + PAGE}>; rel="next"`;
    const headers = start + PAGE < tree.length ? { link: next } : {};
    return { status: 200, headers, body: JSON.stringify(tree.slice(start, start + PAGE)) };
  };
  const fileAt = (name: string): WebReply => {
    const text = files[name];
    const common = { 'x-repo-commit': commit };
    if (text === undefined)
      return {
        status: 404,
        headers: { ...common, 'x-error-code': 'EntryNotFound', 'x-error-message': 'Entry not found' },
      };
    const { oid, lfs } = entryOf(name, text);
    if (lfs === undefined) return { status: 200, headers: { ...common, etag: `"${oid}"` }, body: text };
    const location = `${storage.url}/${encodeURI(name)}?signature=abc`;
    const linked = { 'x-linked-etag': `"${lfs.oid}"`, 'x-linked-size': String(lfs.size) };
    return { status: 302, headers: { ...common, ...linked, location } };
  };
  const hub = await startWebHost({
    answer: ({ path, headers }) => {
      if (token !== undefined && headers.authorization !== `Bearer ${token}`)
        return { status: 401, headers: { 'x-error-message': 'Invalid username or password.' } };
      const { pathname, searchParams } = new URL(path, 'http://hub');
      const api = `/api/datasets/${REPOSITORY}`;
      if (pathname === `${api}/revision/main` || pathname === `${api}/revision/${commit}`)
        return {
          status: 200,
          body: JSON.stringify({ id: REPOSITORY, sha: commit, private: false, siblings: [] }),
        };
      if (pathname === `${api}/tree/${commit}`) return pageAt(searchParams, pathname);
      const prefix = `/datasets/${REPOSITORY}/resolve/${commit}/`;
      return fileAt(pathname.startsWith(prefix) ? decodeURIComponent(pathname.slice(prefix.length)) : '');
    },
  });
  for (const [path, text] of Object.entries(files))
    storage.files.set(`/${encodeURI(path)}?signature=abc`, Buffer.from(text));
  return {
    hub,
    storage,
    commit,
    close: async () => void (await Promise.all([hub.close(), storage.close()])),
  };
}

function entryOf(path: string, text: string) {
  const size = Buffer.byteLength(text);
  const blob = createHash('sha1').update(`blob ${size}\0${text}`).digest('hex');
  const sha256 = createHash('sha256').update(text).digest('hex');
  const lfs = path.endsWith('.bin') ? { oid: sha256, size, pointerSize: 130 } : undefined;
  return { type: 'file', path, size, oid: lfs === undefined ? blob : '0'.repeat(40), lfs };
}
