/** Releases of the cluster's model server. */
import type { Stored } from '../../src/records/kind.ts';
import type { ReleaseConfig } from '../../src/records/release.ts';
import { kubernetesTarget } from '../../src/records/target.ts';
import type { Store } from '../../src/store/store.ts';
import { answerOf, question } from './cluster/model.ts';
import type { Cluster } from './cluster.ts';
import { type ClusterChoices, putClusterRelease } from './cluster-releases.ts';

const MODEL = 'weights of a model';

/** What a release of the model server answers. */
export const golden = (offset = 0) => ({
  request: { method: 'POST', path: '/v2/models/toy/infer', headers: {}, body: question([1, 2]) },
  response: { status: 200, body: answerOf('toy', Buffer.from(MODEL), [1, 2], offset) },
});

export interface ModelChoices extends Partial<ClusterChoices> {
  /** How the server misbehaves, and what it adds to each answer. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Fields of the target. */
  readonly on?: object;
}

/** A release of the model server; its settings make it another one. */
export function putModel(
  { images }: Pick<Cluster, 'images'>,
  store: Store,
  { settings = {}, on = {}, ...choices }: ModelChoices = {},
): Promise<Stored<ReleaseConfig>> {
  return putClusterRelease(store, {
    image: images.modelServer,
    target: kubernetesTarget.parse({ kind: 'kubernetes', namespace: 'default', ...on }),
    model: MODEL,
    golden: [golden(Number({ OFFSET: '0', ...settings }.OFFSET))],
    config: settings,
    ...choices,
    server: {
      command: ['/bin/model-server', '--model', '${model}', '--port', '${port}'],
      ready: '/v2/health/ready',
      golden: 'golden.jsonl',
      ...choices.server,
    },
  });
}
