import { hexOf } from '../lib/digest.ts';
import { digestOfJson, type Json } from '../lib/json.ts';
import { MANAGER, RELEASE_LABEL, RELEASE_SHORT, SHORT } from './cluster.ts';

/** With `-` and the short digest behind it, a name still is a DNS label. */
const LONGEST = 63 - 1 - SHORT;
const HASH = 8;

/**
 * The name of a project's environment in a cluster: a DNS label (RFC 1035) of up to 50 characters, and no two environments share
 * one. It is `PROJECT-ENVIRONMENT` where that says both; otherwise a hash follows.
 */
export function clusterName(project: string, environment: string): string {
  const plain = `${project}-${environment}`;
  const isLabel = /^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(plain) && plain.length <= LONGEST;
  // Where the environment has no `-`, the last one parts both, and what looks like a hash is never one.
  const isPlain = isLabel && !environment.includes('-') && !/^[0-9a-f]{8}$/.test(environment);
  if (isPlain) return plain;
  const mapped = plain
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^(?=[0-9])/, 'p-')
    .slice(0, LONGEST - 1 - HASH);
  return `${mapped.replace(/-+$/, '')}-${hashOf([project, environment])}`;
}

/** What Trainyard makes for an environment, by name; the shared ones have no release in their names. */
export function resourceNames(project: string, environment: string) {
  const service = clusterName(project, environment);
  const release = `${service}-${RELEASE_SHORT}`;
  return {
    /** The Service, which names the release that serves. */
    service,
    /** The Deployment, its PodDisruptionBudget, the ConfigMap of its configuration, and the Secret that deploy makes. */
    release,
    /** The ConfigMap of the server's source. */
    source: `${release}-source`,
    /** The Lease and the ConfigMap in which deploys of the environment take turns and keep their memory. */
    ledger: `trainyard-${service}`,
  };
}

/** The labels of every object that belongs to a release, and of its pods. */
export function clusterLabels(project: string, environment: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': labelValue(project),
    'app.kubernetes.io/managed-by': MANAGER,
    ...selectorLabels(project, environment),
  };
}

/** What tells a release's pods from all others. */
export function selectorLabels(project: string, environment: string): Record<string, string> {
  return {
    'trainyard.dev/project': labelValue(project),
    'trainyard.dev/environment': labelValue(environment),
    [RELEASE_LABEL]: RELEASE_SHORT,
  };
}

/** Names of ours are label values, unless they end with a sign. */
function labelValue(name: string): string {
  return /[A-Za-z0-9]$/.test(name) ? name : `${name.replace(/[^A-Za-z0-9]+$/, '')}-${hashOf(name)}`;
}

function hashOf(value: Json): string {
  return hexOf(digestOfJson(value), HASH);
}
