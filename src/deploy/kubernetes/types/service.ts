import { z } from 'zod';
import { item, texts } from './object.ts';

export const service = item.extend({
  spec: z.looseObject({
    selector: texts.optional(),
    ports: z
      .array(
        z.looseObject({
          name: z.string().optional(),
          port: z.int(),
          targetPort: z.union([z.int(), z.string()]).optional(),
        }),
      )
      .default([]),
  }),
});
export type Service = z.infer<typeof service>;

export const endpointSlice = item.extend({
  endpoints: z
    .array(
      z.looseObject({
        conditions: z.looseObject({ ready: z.boolean().optional() }).optional(),
        targetRef: z.looseObject({ kind: z.string().optional(), name: z.string().optional() }).optional(),
      }),
    )
    .nullish(),
});
export type EndpointSlice = z.infer<typeof endpointSlice>;
