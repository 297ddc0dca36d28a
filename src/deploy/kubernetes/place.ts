import type { Log } from '../../lib/log.ts';
import { RELEASE_LABEL, RELEASE_SHORT } from '../../records/cluster.ts';
import { resourceNames, selectorLabels } from '../../records/cluster-names.ts';
import type { Store } from '../../store/store.ts';
import type { Api } from './api.ts';
import type { Edition } from './edition.ts';
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

/** A label selector of all that belongs to an environment, or to one edition of a release. */
export function selectorOf(place: Place, edition?: Edition): string {
  const all = { ...environmentLabels(place), ...(edition && { [RELEASE_LABEL]: edition.short }) };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** The labels of an environment, without a release. */
export function environmentLabels({ name, environment }: Pick<Place, 'name' | 'environment'>) {
  const { [RELEASE_LABEL]: _, ...labels } = selectorLabels(name, environment);
  return labels;
}

/** The name of an edition's own Secret. */
export function secretName({ name, environment }: Place, { short }: Edition): string {
  return resourceNames(name, environment).release.replace(RELEASE_SHORT, short);
}
