import { z } from 'zod';
import { json } from '../lib/json.ts';
import { strict } from '../lib/strict.ts';
import { defineKind } from './kind.ts';
import { environmentName, projectName, settingName } from './names.ts';
import { digest } from './oci.ts';

/** Where a release runs. `process`: one server on the machine of the deploy job, behind a front that owns the port. */
export const target = z.discriminatedUnion('kind', [
  strict({
    kind: z.literal('process'),
    port: z.int().min(1).max(65535),
    host: z.string().default('127.0.0.1'),
  }),
]);
export type Target = z.infer<typeof target>;

export const releaseConfig = z.strictObject({
  name: projectName,
  environment: environmentName,
  server: digest,
  target,
  config: z.record(settingName, json),
  /** Names; the values reach the server from the deploy step's environment. */
  secrets: z.array(settingName),
});
export type ReleaseConfig = z.infer<typeof releaseConfig>;

export const CONFIG_LAYER = 'application/vnd.trainyard.configuration.v1+json';

/** A package with one environment's configuration: the only thing that deploy accepts. Its subject is the Package. */
export const release = defineKind({ kind: 'release', schema: releaseConfig });
