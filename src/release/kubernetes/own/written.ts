import type { Json } from '../../../lib/json.ts';
import type { ClusterObject } from '../../../records/cluster.ts';

/** A document of the user's manifests, and where its values stand. */
export interface Written<T = Json> {
  readonly value: T;
  /** For people: the file, with line and column where it was written by a person. */
  place(path: readonly PropertyKey[]): string;
}

/** What was found in a folder of manifests. */
export interface Manifests {
  readonly documents: readonly Written[];
  readonly problems: readonly string[];
}

/** One that is an object of Kubernetes. */
export interface WrittenObject extends Written<ClusterObject> {
  /** The same value, as JSON. */
  readonly json: Json;
}

/** An object as people call it. */
export function titleOf({ value: { kind, metadata } }: WrittenObject): string {
  return `${kind} ${metadata.name}`;
}

/** `GROUP/KIND`, by which objects are told apart; the core group is empty. */
export function groupKind({ apiVersion, kind }: ClusterObject): string {
  const [group = '', version] = apiVersion.split('/');
  return `${version === undefined ? '' : group}/${kind}`;
}
