import { z } from 'zod';
import { groupKind, type WrittenObject } from './written.ts';

type Path = readonly PropertyKey[];

/** Where each kind of workload keeps its pod's template. */
const TEMPLATES: Readonly<Record<string, Path>> = {
  '/Pod': [],
  '/ReplicationController': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'apps/Deployment': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
  'batch/Job': ['spec', 'template'],
};

const container = z.looseObject({
  name: z.string().optional(),
  image: z.string().optional(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
});
export type Container = z.infer<typeof container>;

const labels = z.record(z.string(), z.string()).default({});

/** What matters here of a pod's template. */
const podTemplate = z.looseObject({
  metadata: z.looseObject({ labels }).prefault({}),
  spec: z.looseObject({
    containers: z.array(container).min(1),
    initContainers: z.array(container).default([]),
    volumes: z
      .array(z.looseObject({ image: z.looseObject({ reference: z.string().optional() }).optional() }))
      .default([]),
  }),
});

const selector = z.looseObject({
  spec: z.looseObject({ selector: z.looseObject({ matchLabels: labels }).optional() }).optional(),
});

/** An object that makes pods. */
export interface Workload {
  readonly written: WrittenObject;
  /** Where its pod's template is. */
  readonly path: Path;
  readonly pod: z.infer<typeof podTemplate>;
  /** The labels by which it finds its pods; undefined for a kind that needs none. */
  readonly selector: Readonly<Record<string, string>> | undefined;
}

/** The workload that an object is; undefined for one that makes no pods, or a sentence on what is wrong with it. */
export function workloadOf(written: WrittenObject): Workload | string | undefined {
  const path = TEMPLATES[groupKind(written.value)];
  if (path === undefined) return undefined;
  const parsed = podTemplate.safeParse(inside(written.value, path));
  if (parsed.error !== undefined) {
    const [issue] = parsed.error.issues;
    const at = [...path, ...(issue?.path ?? [])];
    return `${written.place(at)}: ${at.map(String).join('.')} of ${written.value.kind} ${written.value.metadata.name}: ${issue?.message}`;
  }
  const found = selector.safeParse(written.value).data?.spec?.selector?.matchLabels;
  return { written, path, pod: parsed.data, selector: found };
}

/** Its containers, each with its path. */
export function containersOf({ pod, path }: Workload): { container: Container; path: Path }[] {
  return (['initContainers', 'containers'] as const).flatMap((list) =>
    pod.spec[list].map((one, index) => ({ container: one, path: [...path, 'spec', list, index] })),
  );
}

/** Whether it keeps a Deployment's promise: pods that are rolled out, and watched meanwhile. */
export function isDeployment({ written }: Workload): boolean {
  return groupKind(written.value) === 'apps/Deployment';
}

function inside(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) => z.record(z.string(), z.unknown()).safeParse(at).data?.[String(key)],
    value,
  );
}
