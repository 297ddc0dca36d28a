import { posix } from 'node:path';
import { expand } from '../../lib/expand.ts';
import { byBytes, type JsonObject } from '../../lib/json.ts';
import { RELEASE } from '../../records/cluster.ts';
import { resourceNames } from '../../records/cluster-names.ts';
import type { KubernetesTarget } from '../../records/target.ts';
import { MODELS, portOf, SOURCE } from './places.ts';
import type { Rendering } from './rendering.ts';

/** Meanwhile proxies and load balancers hear that the pod goes, and send it nothing more. */
export const LEAVE_SECONDS = 5;

/** What no container of ours may do. */
export const CONTAINER_SECURITY = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

/** The server's container. @param model the mount of the model */
export function serverOf(rendering: Rendering, model: JsonObject): JsonObject {
  const { target, server, serverImage, config } = rendering;
  const ready = { httpGet: { path: server.ready, port: portOf(target) }, timeoutSeconds: 5 };
  return {
    name: 'server',
    image: serverImage,
    imagePullPolicy: 'IfNotPresent',
    command: commandOf(rendering),
    workingDir: posix.join(SOURCE, server.directory),
    env: variables(rendering),
    envFrom: [{ configMapRef: { name: resourceNames(config.name, config.environment).release } }],
    ports: [{ name: 'http', containerPort: portOf(target), protocol: 'TCP' }],
    startupProbe: { ...ready, periodSeconds: 1, failureThreshold: Math.ceil(server.readyTimeoutSeconds) },
    readinessProbe: { ...ready, periodSeconds: 2, failureThreshold: 3 },
    lifecycle: { preStop: { sleep: { seconds: LEAVE_SECONDS } } },
    resources: resourcesOf(target),
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [
      model,
      { name: 'source', mountPath: SOURCE, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

/** What a container of a release may take of a node. */
export function resourcesOf({ resources: { requests, limits } = {} }: KubernetesTarget): JsonObject {
  return { ...(requests && { requests }), ...(limits && { limits }) };
}

/** The server's command with its places in the pod. */
function commandOf({ server, target, modelFile }: Rendering): string[] {
  const model = posix.join(MODELS, modelFile);
  // Probes and the Service ask the pod at its own address.
  const places = { model, models: MODELS, host: '0.0.0.0', port: String(portOf(target)) };
  // Kubernetes expands $(NAME) itself, and $$ is its way to write $.
  return expand(server.command, places, 'server.command').map((word) => word.replaceAll('$', '$$$$'));
}

function variables({ config, target }: Rendering): JsonObject[] {
  const { release: secret } = resourceNames(config.name, config.environment);
  const references = Object.entries(config.secretReferences ?? {}).sort(([a], [b]) => byBytes(a, b));
  return [
    // A user without a name has no folder of its own.
    { name: 'HOME', value: '/tmp' },
    { name: 'PORT', value: String(portOf(target)) },
    { name: 'PYTHONUNBUFFERED', value: '1' },
    { name: 'TRAINYARD_RELEASE', value: RELEASE },
    ...config.secrets.map((name) => ({ name, valueFrom: { secretKeyRef: { name: secret, key: name } } })),
    ...references.map(([name, valueFrom]) => ({ name, valueFrom })),
  ];
}
