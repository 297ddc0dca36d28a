import { z } from 'zod';
import { listOrNull } from './object.ts';

const key = z.looseObject({ name: z.string(), key: z.string(), optional: z.boolean().nullish() });
/** A container as a template of pods says it. */
export const container = z.looseObject({
  name: z.string(),
  image: z.string().optional(),
  ports: listOrNull(z.looseObject({ name: z.string().nullish(), containerPort: z.int() })),
  env: listOrNull(
    z.looseObject({ name: z.string(), valueFrom: z.looseObject({ secretKeyRef: key.nullish() }).nullish() }),
  ),
  envFrom: listOrNull(
    z.looseObject({
      secretRef: z.looseObject({ name: z.string(), optional: z.boolean().nullish() }).nullish(),
    }),
  ),
  volumeMounts: listOrNull(z.looseObject({ name: z.string(), mountPath: z.string() })),
  readinessProbe: z
    .looseObject({
      httpGet: z
        .looseObject({
          path: z.string().nullish(),
          port: z.union([z.int(), z.string()]).nullish(),
          scheme: z.string().nullish(),
        })
        .nullish(),
    })
    .nullish(),
});
export type Container = z.infer<typeof container>;
