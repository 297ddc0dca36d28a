import { z } from 'zod';
import { UserError } from '../../lib/errors.ts';
import type { ClusterObject } from '../../records/cluster.ts';
import type { Api } from './api.ts';

/** How objects of a kind are reached. */
export interface Resource {
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** What most releases consist of, so that no API server is asked about it: `API version KIND`. */
const KNOWN: Readonly<Record<string, string>> = {
  'v1 ConfigMap': 'configmaps',
  'v1 PersistentVolumeClaim': 'persistentvolumeclaims',
  'v1 Secret': 'secrets',
  'v1 Service': 'services',
  'v1 ServiceAccount': 'serviceaccounts',
  'apps/v1 Deployment': 'deployments',
  'apps/v1 DaemonSet': 'daemonsets',
  'apps/v1 StatefulSet': 'statefulsets',
  'autoscaling/v2 HorizontalPodAutoscaler': 'horizontalpodautoscalers',
  'batch/v1 CronJob': 'cronjobs',
  'batch/v1 Job': 'jobs',
  'networking.k8s.io/v1 Ingress': 'ingresses',
  'networking.k8s.io/v1 NetworkPolicy': 'networkpolicies',
  'policy/v1 PodDisruptionBudget': 'poddisruptionbudgets',
};

const discovery = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

type Typed = Pick<ClusterObject, 'apiVersion' | 'kind'>;

/** Where the objects of a cluster are, as paths of its API. */
export class Resources {
  readonly #api: Api;
  readonly #namespace: string;
  readonly #asked = new Map<string, Promise<z.infer<typeof discovery> | undefined>>();

  constructor(api: Api, namespace: string) {
    this.#api = api;
    this.#namespace = namespace;
  }

  /** Where all objects of a kind are. @throws UserError for a kind that the cluster does not know */
  async folderOf(type: Typed): Promise<string> {
    const { plural, isNamespaced } = await this.#resourceOf(type);
    return `${root(type)}${isNamespaced ? `/namespaces/${this.#namespace}` : ''}/${plural}`;
  }

  /** Where one object is. */
  async pathOf(object: ClusterObject): Promise<string> {
    return `${await this.folderOf(object)}/${object.metadata.name}`;
  }

  async #resourceOf(type: Typed): Promise<Resource> {
    const known = KNOWN[`${type.apiVersion} ${type.kind}`];
    if (known !== undefined) return { plural: known, isNamespaced: true };
    const path = root(type);
    const asked = this.#asked.get(path) ?? this.#api.get(path, discovery);
    this.#asked.set(path, asked);
    // A name with a slash is a part of another resource.
    const found = (await asked)?.resources.find((one) => one.kind === type.kind && !one.name.includes('/'));
    if (found === undefined)
      throw new UserError(
        `the cluster knows no kind ${type.kind} of ${type.apiVersion}; install what defines it, or leave it out of the manifests`,
      );
    return { plural: found.name, isNamespaced: found.namespaced };
  }
}

function root({ apiVersion }: Typed): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
