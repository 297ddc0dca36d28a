import { mapTexts } from '../../../lib/json.ts';
import { isOfOneRelease, RELEASE_SHORT } from '../../../records/cluster.ts';
import type { Workload } from './workload.ts';
import { groupKind, titleOf, type WrittenObject } from './written.ts';

/** How pods name a ConfigMap: as their variables, one of them, a volume or a part of one. */
const NAMING: readonly unknown[] = ['configMapRef', 'configMapKeyRef', 'configMap'];
/** The hash of the content, that kustomize writes behind a name. */
const HASHED = /-[2456789bcdfghkmt]{10}$/;

/** What all releases share changes with the switch: a release that takes its configuration from there is proved with that of the one before. */
export function checkConfig(objects: readonly WrittenObject[], workloads: readonly Workload[]): string[] {
  const shared = objects.filter(
    ({ value }) =>
      groupKind(value) === '/ConfigMap' &&
      !isOfOneRelease(value) &&
      value.immutable !== true &&
      !HASHED.test(value.metadata.name),
  );
  return shared.flatMap((map) => {
    const by = workloads.filter((workload) => namedIn(workload).has(map.value.metadata.name));
    if (by.length === 0) return [];
    const { name } = map.value.metadata;
    const pods = by.map(({ written }) => titleOf(written)).join(', ');
    return [
      `${map.place(['metadata', 'name'])}: ${titleOf(map)} is shared by all releases and changes with the switch, so that ${pods} would be proved with the configuration of the release before; name it ${name}-${RELEASE_SHORT}, here and there, or write immutable: true`,
    ];
  });
}

function namedIn({ written }: Workload): ReadonlySet<string> {
  const names = new Set<string>();
  mapTexts(written.json, (text, path) => {
    const [by, key] = path.slice(-2);
    if (key === 'name' && NAMING.includes(by)) names.add(text);
    return text;
  });
  return names;
}
