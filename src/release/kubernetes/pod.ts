import type { JsonObject } from '../../lib/json.ts';
import { resourceNames } from '../../records/cluster-names.ts';
import { CONTAINER_SECURITY, LEAVE_SECONDS, serverOf } from './container.ts';
import { modelVolumes } from './model.ts';
import type { Rendering } from './rendering.ts';
import { sourceVolume } from './source.ts';

/** `nonroot` of the images that have no users but that one. */
const USER = 65532;
/** For what is in hand then, as the target `process` gives it. */
const DRAIN_SECONDS = 30;

/** The pod of a release: the server alone, with model, source and configuration, and without any right. */
export function podOf(rendering: Rendering): JsonObject {
  const { config, target, source } = rendering;
  const { initContainers, volumes, mount } = modelVolumes(rendering, CONTAINER_SECURITY);
  const user = target.user ?? USER;
  return {
    automountServiceAccountToken: false,
    // Variables for each Service of the namespace, which would be taken for settings of the server.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: LEAVE_SECONDS + DRAIN_SECONDS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(target['pull-secret'] !== undefined && { imagePullSecrets: [{ name: target['pull-secret'] }] }),
    ...(initContainers.length > 0 && { initContainers }),
    containers: [serverOf(rendering, mount)],
    volumes: [
      ...volumes,
      sourceVolume(resourceNames(config.name, config.environment).source, source),
      { name: 'tmp', emptyDir: {} },
    ],
  };
}
