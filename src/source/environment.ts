import { z } from 'zod';
import { json } from '../lib/json.ts';
import { strict } from '../lib/strict.ts';
import { duration, latency } from '../lib/units.ts';
import { environmentName, settingName } from '../records/names.ts';
import { type SecretReference, secretReference } from '../records/release.ts';
import { target } from '../records/target.ts';

/** A secret by its name alone, or with the place where the target itself keeps it. */
export interface Secret {
  readonly name: string;
  readonly reference: SecretReference | undefined;
}

const secret = z
  .union(
    [settingName, z.record(settingName, secretReference)],
    'the name of a secret, or {NAME: {secretKeyRef: {name: …, key: …}}} for one that a cluster keeps',
  )
  .transform((value, context): Secret => {
    if (typeof value === 'string') return { name: value, reference: undefined };
    const [[name, reference] = ['', undefined], ...others] = Object.entries(value);
    if (reference === undefined || others.length > 0)
      context.addIssue({ code: 'custom', message: 'each item of the list is one secret' });
    return { name, reference };
  });

const gate = strict({
  baseline: environmentName.describe('The environment whose live model is the measure'),
  tolerance: z.number().nonnegative().default(0).describe('How much worse the metric may be'),
});

const probe = strict({
  window: duration.optional().describe('How long the new release is asked alone before the switch, e.g. 30s'),
  watch: duration
    .optional()
    .describe('How long it is asked after the switch, e.g. 10m; a failure restores what served before'),
  rate: z.number().positive().max(1000).optional().describe('Requests per second meanwhile; 5 without it'),
  p95: latency.optional().describe('What 95 of 100 answers may take at most: 250ms, 2s'),
  errors: z.number().min(0).max(1).optional().describe('The share of requests that may fail; 0 without it'),
});
export type Probe = z.output<typeof probe>;

const approver = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w-]{0,38}(\[bot\])?(\/[\w.-]+)?$/,
    'a user of GitHub, or a team: alice, acme/ml-leads',
  );

/** `environments/NAME.yml`: where a release runs, and with which configuration. With `extends` it needs to say only what differs. */
export const environmentSchema = strict({
  extends: environmentName
    .optional()
    .describe('Another environment; its file lies under this one, key by key'),
  target: target.optional().describe('Where the release runs'),
  config: z
    .record(settingName, json)
    .default({})
    .describe('Configuration values; the server gets them as environment variables'),
  secrets: z
    .array(secret)
    .default([])
    .describe('Names of secrets, whose values the deploy step gives, or where a cluster keeps them'),
  metrics: z
    .record(z.string(), gate)
    .default({})
    .describe('Metrics that must not be worse than those of what another environment serves'),
  probe: probe.optional().describe('What a release has to stand before and after the switch'),
  approvers: z
    .array(approver)
    .default([])
    .describe('Users and teams of whom one has to start or approve a deploy'),
});

/** The same when all files that it extends were laid under it: then it has a target. */
export const laidSchema = strict({ ...environmentSchema.shape, target });
export type EnvironmentFile = z.output<typeof laidSchema>;
