import type { KubernetesTarget } from '../../records/target.ts';

/** Where the model's image or folder is mounted in the pod. */
export const MODEL_MOUNT = '/trainyard/model';
/** The model's files, as the image of a package holds them. */
export const MODELS = `${MODEL_MOUNT}/models`;
/** The server's source. */
export const SOURCE = '/trainyard/source';

/** Where the server listens. */
export function portOf({ port = 8080 }: Pick<KubernetesTarget, 'port'>): number {
  return port;
}
