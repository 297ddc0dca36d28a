/** How a registry of the tests is set up: where it lies, and what it can and can't do. */
import type { Disk } from './registry-disk.ts';
import type { Reply } from './registry-reply.ts';
import type { Route } from './registry-routes.ts';

export interface Abilities {
  /** The referrers API; without it 404 and no `OCI-Subject`, as distribution v3 does. Default true. */
  readonly referrers: boolean;
  /** DELETE of manifests, tags and blobs; without it 405. Default true. */
  readonly deletes: boolean;
  /** Cross-repository mount; without it 202 and an upload. Default true. */
  readonly mounts: boolean;
  /** PATCH; without it 405. Default true. */
  readonly chunks: boolean;
  /** Part of a blob; without it always the whole. Default true. */
  readonly ranges: boolean;
  /** A whole blob in the POST; without it 202 and an upload, as distribution v3 does. Default true. */
  readonly monolithicPost: boolean;
  /** `Location` with scheme and host, or the path alone. Default absolute. */
  readonly locations: 'absolute' | 'relative';
  /** What becomes of a chunk whose connection ended before its end. Default kept. */
  readonly partialChunks: 'kept' | 'dropped';
  /** Bytes that every chunk but the last must have, announced as `OCI-Chunk-Min-Length`. Default 0. */
  readonly minChunk: number;
  /** The most bytes that one request of an upload may bring, 413 above; default none. */
  readonly maxBody: number;
  /** The most bytes of a manifest, 413 above. Default 4 MiB. */
  readonly maxManifest: number;
  /** The most tags or referrers in one answer; default as many as there are. */
  readonly pageSize: number;
}

export const ALL_ABILITIES: Abilities = {
  referrers: true,
  deletes: true,
  mounts: true,
  chunks: true,
  ranges: true,
  monolithicPost: true,
  locations: 'absolute',
  partialChunks: 'kept',
  minChunk: 0,
  maxBody: Number.POSITIVE_INFINITY,
  maxManifest: 4 << 20,
  pageSize: Number.POSITIVE_INFINITY,
};

/** One request, as its handler sees it. */
export interface Call extends Route {
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** The body, piece by piece; throws when it ends too early. */
  body(): AsyncIterable<Buffer>;
}

export type Handler = (call: Call) => Promise<Reply>;

/** What handlers share. */
export interface Place {
  readonly disk: Disk;
  readonly can: Abilities;
  /** Makes a `Location` of a path. */
  locate(path: string): string;
}
