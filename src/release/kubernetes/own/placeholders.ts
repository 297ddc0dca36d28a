import { type Json, mapTexts } from '../../../lib/json.ts';
import { RELEASE, RELEASE_SHORT } from '../../../records/cluster.ts';
import { clusterName, resourceNames } from '../../../records/cluster-names.ts';
import type { ReleaseConfig } from '../../../records/release.ts';
import type { KubernetesTarget } from '../../../records/target.ts';
import type { Written } from './written.ts';

/** What stands for things that a release knows in the user's manifests. */
export const SERVER_IMAGE = '@@TRAINYARD_SERVER_IMAGE@@';
export const MODEL_IMAGE = '@@TRAINYARD_MODEL_IMAGE@@';
export const PACKAGE = '@@TRAINYARD_PACKAGE@@';
export const CONFIGMAP = '@@TRAINYARD_CONFIGMAP@@';
export const SECRET = '@@TRAINYARD_SECRET@@';
const NAME = '@@TRAINYARD_NAME@@';
const ENVIRONMENT = '@@TRAINYARD_ENVIRONMENT@@';
const NAMESPACE = '@@TRAINYARD_NAMESPACE@@';

/** What a placeholder becomes, or why it can't be had. */
export type Meaning = { readonly value: string } | { readonly why: string };

/** Placeholders by name, with what they mean in one release. The two of the release itself stay, for deploy. */
export function placeholders(
  config: Omit<ReleaseConfig, 'target'>,
  target: KubernetesTarget,
  images: { readonly server: Meaning; readonly model: Meaning; readonly package: Meaning },
): ReadonlyMap<string, Meaning> {
  const { release } = resourceNames(config.name, config.environment);
  return new Map<string, Meaning>([
    [RELEASE, { value: RELEASE }],
    [RELEASE_SHORT, { value: RELEASE_SHORT }],
    [SERVER_IMAGE, images.server],
    [MODEL_IMAGE, images.model],
    [PACKAGE, images.package],
    [CONFIGMAP, { value: release }],
    [SECRET, { value: release }],
    [NAME, { value: clusterName(config.name, config.environment) }],
    [ENVIRONMENT, { value: config.environment }],
    [NAMESPACE, { value: target.namespace }],
  ]);
}

/** What became of the placeholders of one document. */
export interface Filled {
  readonly value: Json;
  readonly problems: readonly string[];
  /** Those that were found. */
  readonly used: ReadonlySet<string>;
}

/** Puts in what is known. In keys nothing is replaced. */
export function fillIn(document: Written, meanings: ReadonlyMap<string, Meaning>): Filled {
  const problems: string[] = [];
  const used = new Set<string>();
  const meaningOf = (name: string, path: readonly PropertyKey[]): string => {
    const found = meanings.get(name);
    used.add(name);
    if (found !== undefined && 'value' in found) return found.value;
    problems.push(
      `${document.place(path)}: ${name} ${found === undefined ? `is not known; known are ${[...meanings.keys()].join(', ')}` : `has no value: ${found.why}`}`,
    );
    return name;
  };
  const value = mapTexts(document.value, (text, path) =>
    text.replace(/@@TRAINYARD_[A-Za-z0-9_]*@@/g, (name) => meaningOf(name, path)),
  );
  return { value, problems, used };
}
