import { z } from 'zod';
import { strict } from '../lib/strict.ts';
import { insidePath } from './names.ts';

/** One server on the machine of the deploy job, behind a front that owns the port. */
export const processTarget = strict({
  kind: z.literal('process'),
  port: z.int().min(1).max(65535),
  host: z.string().default('127.0.0.1'),
});

/** RFC 1123 label, as Kubernetes names namespaces. */
const label = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'a name of Kubernetes: up to 63 of a-z 0-9 and - between them',
  );

/** RFC 1123 subdomain, as Kubernetes names most objects. */
const objectName = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
    'a name of Kubernetes: a-z 0-9 and - . between them',
  );

/** `500m`, `2`, `4Gi`; a number is taken as the text that it is. */
const quantity = z
  .union([z.string(), z.number().nonnegative()])
  .transform(String)
  .pipe(
    z
      .string()
      .regex(
        /^(\d+(\.\d*)?|\.\d+)(m|k|[MGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/,
        'a quantity of Kubernetes such as 2, 500m or 4Gi',
      ),
  );

const quantities = z.record(
  z
    .string()
    .regex(
      /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/,
      'a resource of Kubernetes such as cpu, memory or nvidia.com/gpu',
    ),
  quantity,
);

/** Pods of a Kubernetes cluster: a Deployment for each release, and a Service that names which of them serves. */
export const kubernetesTarget = strict({
  kind: z.literal('kubernetes'),
  namespace: label.describe('The namespace; it is there already'),
  context: z.string().min(1).optional().describe('A context of the kubeconfig; without it the current one'),
  port: z
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe('Where the server listens in its container, ${port} in server.command; without it 8080'),
  replicas: z.int().positive().max(1000).optional().describe('How many pods serve; without it one'),
  model: z
    .union(
      [
        z.literal('image-volume'),
        strict({
          init: z
            .string()
            .regex(/^[^\s@]+@sha256:[0-9a-f]{64}$/, 'an image pinned by digest: HOST/REPO@sha256:…')
            .describe('An image with oras in it'),
        }),
      ],
      'image-volume, or {init: IMAGE@sha256:…}',
    )
    .optional()
    .describe(
      'How the model comes into the pod: mounted as an image (image-volume, the default; needs model.image in trainyard.yml), or pulled by an init container that has oras',
    ),
  resources: strict({ requests: quantities.optional(), limits: quantities.optional() })
    .optional()
    .describe('What each pod asks for, and what it may use at most, as quantities of Kubernetes'),
  user: z
    .int()
    .positive()
    .optional()
    .describe('The user id under which the server runs, never root; without it 65532'),
  'pull-secret': objectName
    .optional()
    .describe(
      'A Secret of the namespace, of the type kubernetes.io/dockerconfigjson, with which images are pulled',
    ),
  manifests: insidePath
    .optional()
    .describe(
      'A folder of the project with manifests of your own, or a kustomization; they take the place of ours',
    ),
}).check((context) => {
  const { manifests, ...target } = context.value;
  if (manifests === undefined) return;
  for (const key of ['port', 'replicas', 'model', 'resources', 'user', 'pull-secret'] as const) {
    if (target[key] === undefined) continue;
    context.issues.push({
      code: 'custom',
      path: [key],
      input: target[key],
      message: `your own manifests say this; leave it out beside manifests`,
    });
  }
});
export type KubernetesTarget = z.infer<typeof kubernetesTarget>;

/** Where a release runs. */
export const target = z.discriminatedUnion('kind', [processTarget, kubernetesTarget]);
export type Target = z.infer<typeof target>;
