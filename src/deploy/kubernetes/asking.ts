import type { Digest } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import type { HttpAnswer } from '../../lib/http.ts';
import { type Ask, Refused } from '../target.ts';
import { statusOf } from './failure.ts';
import type { Manifests } from './manifests.ts';
import type { Place } from './place.ts';
import { isReady, podsOf, podsPath } from './pods.ts';
import type { Pod } from './types/pod.ts';

/** Where a server may say which release it is. */
const RELEASE_HEADER = 'x-trainyard-release';

/**
 * Asks pods by the API server, each in turn, so that no way into the cluster is needed. One that can't be asked since it has gone, as
 * one does that is evicted, is no failure: others are asked in its place.
 * @param again waits for pods that are ready, where none is left
 */
export function askPods(
  place: Place,
  manifests: Manifests,
  first: readonly Pod[],
  again: () => Promise<readonly Pod[]>,
): Ask {
  const { services, release } = manifests;
  let pods = first;
  let turn = 0;
  let waiting: Promise<readonly Pod[]> | undefined;
  const wait = (): Promise<readonly Pod[]> => {
    waiting ??= again().finally(() => {
      waiting = undefined;
    });
    return waiting;
  };
  return async (wanted) => {
    for (;;) {
      const one = pods[turn++ % pods.length];
      if (one === undefined) throw new MachineError('the release has no pod that is ready');
      const { name } = one.metadata;
      const answer = await place.api.send({
        ...wanted,
        path: `${podsPath(place)}/${name}:${portOf(services, one)}/proxy${wanted.path}`,
        isPassedOn: true,
      });
      const said = insteadOfServer(answer);
      const there = said === undefined ? [one] : await podsOf(place, manifests);
      if (there.some(({ metadata }) => metadata.name === name))
        return checked(answer, said, `pod ${name}`, release);
      const ready = there.filter(isReady);
      pods = ready.length > 0 ? ready : await wait();
    }
  };
}

/** Asks the public Service by the API server: one of its pods answers. */
export function askService({ api, namespace }: Place, { services }: Manifests, release?: Digest): Ask {
  const [service] = services;
  const name = service?.metadata.name ?? '';
  const port = service?.spec.ports[0]?.port ?? 80;
  return async (wanted) => {
    const path = `/api/v1/namespaces/${namespace}/services/${name}:${port}/proxy${wanted.path}`;
    const answer = await api.send({ ...wanted, path, isPassedOn: true });
    return checked(answer, insteadOfServer(answer), `Service ${name}`, release);
  };
}

/**
 * The answer, when it is a server's.
 * @param said what the API server has answered in its place
 * @param release which one the server has to be; undefined where any may answer
 */
function checked(
  answer: HttpAnswer,
  said: ReturnType<typeof insteadOfServer>,
  who: string,
  release: Digest | undefined,
): HttpAnswer {
  if (said !== undefined) throw new MachineError(`${who}: ${said.message}`);
  const found = answer.headers[RELEASE_HEADER];
  if (release !== undefined && found !== undefined && found !== release)
    throw new Refused(`${who} says that it is release ${String(found)}, and should be ${release}`);
  return answer;
}

/** What the API server itself has answered in the place of a server; undefined where that one was asked. */
function insteadOfServer(answer: HttpAnswer): ReturnType<typeof statusOf> {
  return answer.headers[RELEASE_HEADER] === undefined ? statusOf(answer) : undefined;
}

/** Where the public Service sends requests in a pod. */
export function portOf(services: Manifests['services'], { spec }: Pick<Pod, 'spec'>): number {
  const [port] = services[0]?.spec.ports ?? [];
  const target = port?.targetPort ?? port?.port ?? 80;
  if (typeof target === 'number') return target;
  const ports = spec.containers.flatMap((one) => one.ports);
  return ports.find(({ name }) => name === target)?.containerPort ?? port?.port ?? 80;
}
