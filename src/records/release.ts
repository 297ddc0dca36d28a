import { z } from 'zod';
import { json } from '../lib/json.ts';
import { defineKind } from './kind.ts';
import { environmentName, projectName, settingName } from './names.ts';
import { digest } from './oci.ts';
import { target } from './target.ts';

/** What a release has to stand before and after the switch, besides being ready and its golden requests. */
export const probing = z.strictObject({
  /** So long it is asked alone, before the switch. */
  windowSeconds: z.number().nonnegative(),
  /** So long it is asked in public, after the switch; a failure restores what served before. */
  watchSeconds: z.number().nonnegative(),
  /** Requests per second meanwhile. */
  rate: z.number().positive(),
  /** What 95 of 100 answers may take at most, in milliseconds. */
  p95Milliseconds: z.number().positive().optional(),
  /** The share of requests that may fail, 0 to 1. */
  errors: z.number().min(0).max(1),
});
export type Probing = z.infer<typeof probing>;

/** Where the target itself keeps a secret. */
export const secretReference = z.strictObject({
  secretKeyRef: z.strictObject({ name: z.string().min(1), key: z.string().min(1) }),
});
export type SecretReference = z.infer<typeof secretReference>;

export const releaseConfig = z.strictObject({
  name: projectName,
  environment: environmentName,
  server: digest,
  target,
  config: z.record(settingName, json),
  /** Names; the values reach the server from the deploy step's environment. */
  secrets: z.array(settingName),
  /** Secrets that the target holds itself, by name. */
  secretReferences: z.record(settingName, secretReference).optional(),
  probing: probing.optional(),
  /** Users and teams (`ORGANISATION/TEAM`) of whom one has to have started or approved the deploy. */
  approvers: z.array(z.string()).min(1).optional(),
});
export type ReleaseConfig = z.infer<typeof releaseConfig>;

export const CONFIG_LAYER = 'application/vnd.trainyard.configuration.v1+json';
/** The rendered manifests of a cluster, a JSON list of objects with the placeholders below. */
export const MANIFESTS_LAYER = 'application/vnd.trainyard.manifests.v1+json';

/** A package with one environment's configuration: the only thing that deploy accepts. Its subject is the Package. */
export const release = defineKind({ kind: 'release', schema: releaseConfig });

/** A release's configuration as the server's variables: a text as it is, anything else as JSON. */
export function variablesOf({ config }: Pick<ReleaseConfig, 'config'>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}
