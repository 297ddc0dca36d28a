import { mapTexts } from '../../../lib/json.ts';
import { clusterObject } from '../../../records/cluster.ts';
import type { KubernetesTarget } from '../../../records/target.ts';
import { credentialIn } from '../../tokens.ts';
import { groupKind, titleOf, type Written, type WrittenObject } from './written.ts';

/** Kinds without a namespace: what a whole cluster shares is no part of a release. */
const OF_THE_CLUSTER =
  /^(\/(Namespace|Node|PersistentVolume)|rbac\.authorization\.k8s\.io\/Cluster\w+|apiextensions\.k8s\.io\/\w+|admissionregistration\.k8s\.io\/\w+|apiregistration\.k8s\.io\/\w+|storage\.k8s\.io\/(StorageClass|CSIDriver|VolumeAttachment)|scheduling\.k8s\.io\/\w+|node\.k8s\.io\/\w+|networking\.k8s\.io\/IngressClass)$/;

/** Parses a document as an object; tells what is wrong instead. */
export function objectOf({ value, place }: Written): WrittenObject | string {
  const parsed = clusterObject.safeParse(value);
  if (parsed.success) return { value: parsed.data, json: value, place };
  const [issue] = parsed.error.issues;
  const path = issue?.path ?? [];
  return `${place(path)}: ${path.length === 0 ? 'an object of Kubernetes is needed here' : path.join('.')}: ${issue?.message}`;
}

/** What is wrong with an object by itself. */
export function checkObject(written: WrittenObject, target: KubernetesTarget): string[] {
  const { value: object, json, place } = written;
  const title = titleOf(written);
  const kind = groupKind(object);
  const problems: string[] = [];
  if (kind === '/Secret')
    problems.push(
      `${place(['kind'])}: ${title} would put values of secrets into the release, where everybody reads them; list their names under secrets in environments/, and take them from the Secret @@TRAINYARD_SECRET@@`,
    );
  if (kind === '/List')
    problems.push(
      `${place(['kind'])}: a List is not taken; write its items as documents, with --- between them`,
    );
  if (OF_THE_CLUSTER.test(kind))
    problems.push(
      `${place(['kind'])}: ${title} belongs to the whole cluster, and a release to the namespace ${target.namespace}; apply it apart`,
    );
  const { namespace } = object.metadata;
  if (namespace !== undefined && namespace !== target.namespace)
    problems.push(
      `${place(['metadata', 'namespace'])}: ${title} is in the namespace ${namespace}, and target.namespace is ${target.namespace}; leave it out, or write "@@TRAINYARD_NAMESPACE@@"`,
    );
  mapTexts(json, (text, path) => {
    const credential = kind === '/Secret' ? undefined : credentialIn(text);
    if (credential !== undefined)
      problems.push(
        `${place(path)}: ${path.join('.')} of ${title} has the form of ${credential}. Withdraw it, and take it from a Secret`,
      );
    return text;
  });
  return problems;
}

/** Objects that are there more than once. */
export function checkTwice(objects: readonly WrittenObject[]): string[] {
  const first = new Map<string, WrittenObject>();
  return objects.flatMap((written) => {
    const name = `${groupKind(written.value)} ${written.value.metadata.name}`;
    const other = first.get(name);
    first.set(name, other ?? written);
    return other === undefined
      ? []
      : [
          `${written.place(['metadata', 'name'])}: ${titleOf(written)} is written twice; the first is ${other.place([])}`,
        ];
  });
}
