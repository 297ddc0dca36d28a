import { type Digest, hexOf } from '../../lib/digest.ts';
import type { Log } from '../../lib/log.ts';
import { fillManifests, RELEASE_LABEL } from '../../records/cluster.ts';
import { resourceNames, selectorLabels } from '../../records/cluster-names.ts';
import type { Store } from '../../store/store.ts';
import type { Api } from './api.ts';
import type { Resources } from './resources.ts';

/** Where the releases of a project's environment run. */
export interface Place {
  readonly api: Api;
  readonly resources: Resources;
  readonly namespace: string;
  readonly name: string;
  readonly environment: string;
  /** Holds every release, with its manifests. */
  readonly store: Store;
  readonly log: Log;
  /** Asked before anything is removed. @throws TakenOver when a later deploy has come */
  check(): Promise<void>;
}

/** The first digits of a release, as they stand in names and labels. */
export function shortOf(release: Digest): string {
  return hexOf(release, 12);
}

/** A label selector of all that belongs to an environment, or to one release of it. */
export function selectorOf({ name, environment }: Place, release?: Digest): string {
  const { [RELEASE_LABEL]: _, ...labels } = selectorLabels(name, environment);
  const all = release === undefined ? labels : { ...labels, [RELEASE_LABEL]: shortOf(release) };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** The labels of an environment, without a release. */
export function environmentLabels({ name, environment }: Pick<Place, 'name' | 'environment'>) {
  const { [RELEASE_LABEL]: _, ...labels } = selectorLabels(name, environment);
  return labels;
}

/** The name of a release's own Secret. */
export function secretName({ name, environment }: Place, release: Digest): string {
  const metadata = { name: resourceNames(name, environment).release };
  return fillManifests([{ apiVersion: 'v1', kind: 'Secret', metadata }], release)[0]?.metadata.name ?? '';
}
