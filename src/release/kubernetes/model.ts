import type { JsonObject } from '../../lib/json.ts';
import { resourcesOf } from './container.ts';
import { MODEL_MOUNT, MODELS } from './places.ts';
import type { Rendering } from './rendering.ts';

const REGISTRY_CONFIG = '/trainyard/registry';

/** How the model comes into a pod: what runs before the server, the volumes, and the server's mount, read-only. */
export interface ModelVolumes {
  readonly initContainers: readonly JsonObject[];
  readonly volumes: readonly JsonObject[];
  readonly mount: JsonObject;
}

/** @param security the rights of the container that pulls the model, where one does */
export function modelVolumes({ target, model }: Rendering, security: JsonObject): ModelVolumes {
  const mount = { name: 'model', mountPath: MODEL_MOUNT };
  if (model.kind === 'image') {
    const image = { reference: model.reference, pullPolicy: 'IfNotPresent' };
    return { initContainers: [], volumes: [{ name: 'model', image }], mount: { ...mount, readOnly: true } };
  }
  const secret = target['pull-secret'];
  const config = { name: 'registry', mountPath: REGISTRY_CONFIG, readOnly: true };
  const pull = {
    name: 'model',
    image: model.by,
    imagePullPolicy: 'IfNotPresent',
    command: [
      'oras',
      'pull',
      ...(model.plainHttp ? ['--plain-http'] : []),
      ...['--output', MODELS, model.reference],
    ],
    env: [
      { name: 'HOME', value: '/tmp' },
      ...(secret === undefined ? [] : [{ name: 'DOCKER_CONFIG', value: REGISTRY_CONFIG }]),
    ],
    // What runs before does not count besides the server's, and a quota wants to know it.
    resources: resourcesOf(target),
    securityContext: security,
    volumeMounts: [mount, { name: 'tmp', mountPath: '/tmp' }, ...(secret === undefined ? [] : [config])],
  };
  const items = [{ key: '.dockerconfigjson', path: 'config.json' }];
  return {
    initContainers: [pull],
    volumes: [
      { name: 'model', emptyDir: {} },
      ...(secret === undefined ? [] : [{ name: 'registry', secret: { secretName: secret, items } }]),
    ],
    mount: { ...mount, readOnly: true },
  };
}
