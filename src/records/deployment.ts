import { z } from 'zod';
import { defineKind } from './kind.ts';
import { environmentName, projectName } from './names.ts';
import { digest } from './oci.ts';

/**
 * `live`: it serves, proved · `unchanged`: it served already, proved · `refused`: it failed before the switch, the old
 * one never stopped · `rolled-back`: it failed after the switch, the old one proved again · `restore-failed`: neither ·
 * `superseded`: its commit is older than that of what serves, nothing was begun · `held`: a roll-back left it, nothing was begun ·
 * `interrupted`: the deploy was killed, and the next one undid it and proved the old one.
 */
export const outcome = z.enum([
  'live',
  'unchanged',
  'refused',
  'rolled-back',
  'restore-failed',
  'superseded',
  'held',
  'interrupted',
]);
export type Outcome = z.infer<typeof outcome>;

const time = z.iso.datetime();

export const check = z.strictObject({
  name: z.string(),
  passed: z.boolean(),
  /** What was found, for people. */
  detail: z.string(),
});
export type Check = z.infer<typeof check>;

/** Who brought a release, and why. */
export const cause = z.strictObject({
  /** The user who started it: GitHub's login, or the machine's user at a terminal. */
  actor: z.string(),
  /** GitHub's event (`push`, `schedule`, `workflow_dispatch`, …), or `terminal`. */
  event: z.string(),
  /** The page of the workflow run. */
  url: z.url().optional(),
});
export type Cause = z.infer<typeof cause>;

export const deploymentConfig = z.strictObject({
  name: projectName,
  environment: environmentName,
  outcome,
  endpoint: z.string(),
  checks: z.array(check),
  /** The release that served before; null when none did. */
  before: digest.nullable(),
  /** Why it did not become live; null when it did. */
  reason: z.string().nullable(),
  startedAt: time,
  endedAt: time,
  /** The fencing token under which it was deployed: it grows from deploy to deploy of a target. */
  token: z.int().positive().optional(),
  cause: cause.optional(),
  /** The release that this roll-back left: it stays away until a person lifts that. */
  holds: digest.optional(),
  /** Present when a person lifted the hold on this release. */
  lifts: z.literal(true).optional(),
});
export type DeploymentConfig = z.infer<typeof deploymentConfig>;

/** What came of deploying a release: an event, written once, at its end. Its subject is the Release. */
export const deployment = defineKind({
  kind: 'deployment',
  schema: deploymentConfig,
  tagPart: (config) => `${config.name}-${config.environment}`,
});

/** Whether something serves after it, and which: the deployed release, the one before, or none. */
export function servesAfter(config: DeploymentConfig): 'this' | 'before' | 'none' {
  if (config.outcome === 'live' || config.outcome === 'unchanged') return 'this';
  return config.outcome === 'restore-failed' || config.before === null ? 'none' : 'before';
}
