import type { z } from 'zod';
import { item, texts } from './object.ts';

export const configMap = item.extend({ data: texts.optional() });
export type ConfigMap = z.infer<typeof configMap>;

/** `data` in base64. */
export const secret = item.extend({ data: texts.optional() });
export type Secret = z.infer<typeof secret>;
