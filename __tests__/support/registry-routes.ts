/** Which operation of the OCI distribution specification a request is, and what the registry remembers of it. */
import { RegistryError } from './registry-reply.ts';

export const OPERATIONS = [
  'ping',
  'token',
  'headBlob',
  'getBlob',
  'deleteBlob',
  /** A POST that opens an upload, or brings the whole blob. */
  'startUpload',
  'mountBlob',
  'patchUpload',
  'putUpload',
  'getUpload',
  'cancelUpload',
  'headManifest',
  'getManifest',
  'putManifest',
  'deleteManifest',
  'listTags',
  'listReferrers',
  /** The GET of a blob at the other host that `getBlob` was redirected to. */
  'getRedirected',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Route {
  readonly operation: Operation;
  /** Empty where an operation has none, as `reference`: a tag, a digest, or the id of an upload. */
  readonly repository: string;
  readonly reference: string;
}

/** A request as tests see it. Of credentials the scheme is kept and no more. */
export interface SeenRequest extends Route {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The status of the answer; undefined before it, or where the connection ended without one. */
  status: number | undefined;
  /** Bytes of the body that came, and that went. */
  bytesIn: number;
  bytesOut: number;
}

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const PATHS = [
  { path: /^\/v2\/(.+)\/blobs\/uploads\/()$/, methods: { POST: 'startUpload' } },
  {
    path: /^\/v2\/(.+)\/blobs\/uploads\/([\w-]+)$/,
    methods: { GET: 'getUpload', PATCH: 'patchUpload', PUT: 'putUpload', DELETE: 'cancelUpload' },
  },
  {
    path: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
    methods: { GET: 'getBlob', HEAD: 'headBlob', DELETE: 'deleteBlob' },
  },
  {
    path: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    methods: { GET: 'getManifest', HEAD: 'headManifest', PUT: 'putManifest', DELETE: 'deleteManifest' },
  },
  { path: /^\/v2\/(.+)\/tags\/list()$/, methods: { GET: 'listTags' } },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, methods: { GET: 'listReferrers' } },
  { path: /^\/v2\/?()()$/, methods: { GET: 'ping', HEAD: 'ping' } },
  { path: /^\/token()()$/, methods: { GET: 'token', POST: 'token' } },
] as const;

/** @throws RegistryError when no operation has such a path, or its path such a method */
export function routeOf(method: string, { pathname, searchParams }: URL): Route {
  for (const { path, methods } of PATHS) {
    const found = path.exec(pathname);
    if (found === null) continue;
    const [, repository = '', reference = ''] = found;
    if (repository !== '' && (!NAME.test(repository) || repository.length > 200))
      throw new RegistryError(400, 'NAME_INVALID', `${repository} is no name of a repository`);
    const operation = new Map<string, Operation>(Object.entries(methods)).get(method);
    if (operation === undefined) throw new RegistryError(405, 'UNSUPPORTED', `no ${method} of ${pathname}`);
    const mounts = operation === 'startUpload' && searchParams.has('mount');
    return {
      operation: mounts ? 'mountBlob' : operation,
      repository,
      reference: decodeURIComponent(reference),
    };
  }
  throw new RegistryError(404, 'UNSUPPORTED', `no route for ${method} ${pathname}`);
}

export function seen(
  route: Route,
  method: string,
  path: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): SeenRequest {
  const kept = Object.entries(headers).map(([name, value = '']) => [
    name,
    name === 'authorization' ? String(value).replace(/ .*/s, '') : String(value),
  ]);
  const counts = { status: undefined, bytesIn: 0, bytesOut: 0 };
  return { ...route, method, path, headers: Object.fromEntries(kept), ...counts };
}
