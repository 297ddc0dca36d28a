import { z } from 'zod';

const key = z.looseObject({ name: z.string(), key: z.string(), optional: z.boolean().optional() });
/** A container as a template of pods says it. */
export const container = z.looseObject({
  name: z.string(),
  image: z.string().optional(),
  ports: z.array(z.looseObject({ name: z.string().optional(), containerPort: z.int() })).default([]),
  env: z
    .array(
      z.looseObject({
        name: z.string(),
        valueFrom: z.looseObject({ secretKeyRef: key.optional() }).optional(),
      }),
    )
    .default([]),
  envFrom: z
    .array(
      z.looseObject({
        secretRef: z.looseObject({ name: z.string(), optional: z.boolean().optional() }).optional(),
      }),
    )
    .default([]),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).default([]),
  readinessProbe: z
    .looseObject({
      httpGet: z
        .looseObject({
          path: z.string().optional(),
          port: z.union([z.int(), z.string()]).optional(),
          scheme: z.string().optional(),
        })
        .optional(),
    })
    .optional(),
});
export type Container = z.infer<typeof container>;
