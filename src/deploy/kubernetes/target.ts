import type { Digest } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import type { HttpAnswer, HttpRequest } from '../../lib/http.ts';
import type { ClusterObject } from '../../records/cluster.ts';
import type { Ask, Serving, Target } from '../target.ts';
import { applyObjects, begun, checkObjects } from './apply.ts';
import { askPods, askService } from './asking.ts';
import { type Front, readFront, switchFront } from './front.ts';
import { identify } from './identify.ts';
import { isWorkload, type Manifests, readManifests } from './manifests.ts';
import type { Place } from './place.ts';
import { isReady, podsOf } from './pods.ts';
import { whenReady } from './ready.ts';
import { missingSecrets } from './references.ts';
import { removeRelease } from './remove.ts';
import { renewed, undoing } from './renewal.ts';
import { findSecret, holds, secretOf, type Values } from './secrets.ts';

/** How long a release that served before may take to be ready again. */
const BACK_SECONDS = 600;

export interface TargetOptions {
  readonly place: Place;
  readonly manifests: Manifests;
  /** By name, for what the release names. */
  readonly secrets: Values;
  /** What this deploy does to the Services is refused after one of a greater token. */
  readonly token: number;
}

/**
 * A release in a cluster: its own Deployment beside that of what serves, and Services that name one of both. What a deploy
 * that was killed has to leave for the next one stands on the Services.
 */
export class KubernetesTarget implements Target {
  readonly endpoint: string;
  readonly #place: Place;
  readonly #manifests: Manifests;
  readonly #secrets: Values;
  readonly #token: number;
  readonly #known = new Map<Digest, Promise<Manifests>>();
  /** What was proved last, and answers in public. */
  #identified: Manifests;
  /** What undoes a renewal of the pods that serve. */
  #undo: readonly ClusterObject[] | undefined;

  constructor({ place, manifests, secrets, token }: TargetOptions) {
    this.#place = place;
    this.#manifests = manifests;
    this.#identified = manifests;
    this.#secrets = secrets;
    this.#token = token;
    this.#known.set(manifests.release, Promise.resolve(manifests));
    const [service] = manifests.services;
    const port = service?.spec.ports[0]?.port ?? 80;
    this.endpoint = `http://${service?.metadata.name}.${place.namespace}.svc${port === 80 ? '' : `:${port}`}`;
  }

  public = (wanted: HttpRequest): Promise<HttpAnswer> =>
    askService(this.#place, this.#identified, this.#identified.release)(wanted);

  async serving(): Promise<Serving | undefined> {
    const front = await this.#front();
    if (front === undefined) return undefined;
    const { release, isWhole, before } = front;
    const isOurs = release === this.#manifests.release && isWhole && before === undefined;
    return { release, asWanted: isOurs && (await this.#hasSecrets()) };
  }

  async identify(release: Digest): Promise<string> {
    const manifests = await this.#manifestsOf(release);
    const word = await identify(this.#place, manifests, await this.#front());
    this.#identified = manifests;
    return word;
  }

  async start(signal: AbortSignal): Promise<Ask> {
    const place = this.#place;
    const { own, shared, services, release } = this.#manifests;
    const isRenewal = (await this.#front())?.release === release;
    const secrets = secretOf(place, release, this.#secrets);
    const missing = await missingSecrets(place, own, release);
    const there = await checkObjects(place, [...secrets, ...own, ...shared, ...services], missing);
    return begun(async () => {
      if (isRenewal) this.#undo = undoing(there);
      const renewedBy = isRenewal ? String(this.#token) : undefined;
      const others = own.filter((object) => !isWorkload(object));
      await applyObjects(place, [...secrets, ...others, ...shared.filter((object) => !there.has(object))]);
      await applyObjects(
        place,
        own.filter(isWorkload).map((object) => renewed(object, renewedBy)),
      );
      const pods = await whenReady(place, { manifests: this.#manifests, renewedBy }, signal);
      return askPods(place, this.#manifests, pods);
    });
  }

  async switch(): Promise<void> {
    await begun(async () => {
      const front = await this.#front();
      const isOurs = front?.release === this.#manifests.release;
      const before = isOurs ? front.before : (front?.release ?? null);
      await switchFront(this.#place, this.#manifests, { token: this.#token, before });
    });
  }

  async commit(): Promise<void> {
    await begun(async () => {
      const front = await this.#front();
      if (front?.release !== this.#manifests.release)
        throw new MachineError('the Services of the cluster name another release by now; nothing is removed');
      const { before } = front;
      if (before === undefined) return;
      if (before !== null) await this.#remove(before);
      // From here on there is no way back.
      await switchFront(this.#place, this.#manifests, { token: this.#token, before: undefined });
    });
  }

  async revert(): Promise<void> {
    await begun(async () => {
      const front = await this.#front();
      if (front?.release === this.#manifests.release && front.before) await this.#bringBack(front.before);
      await this.#end(front?.before === null);
    });
  }

  async abandon(): Promise<void> {
    await begun(() => this.#end(false));
  }

  /** Ends the release. @param isFirst whether it may go though the Services name it: nothing served before */
  async #end(isFirst: boolean): Promise<void> {
    const { release } = this.#manifests;
    const isServing = (await this.#front())?.release === release;
    if (!isServing || isFirst) return this.#remove(release);
    if (this.#undo !== undefined) await applyObjects(this.#place, this.#undo);
    this.#undo = undefined;
  }

  async #bringBack(release: Digest): Promise<void> {
    const place = this.#place;
    const manifests = await this.#manifestsOf(release);
    if (!(await podsOf(place, manifests)).some(isReady)) {
      await applyObjects(place, manifests.own);
      await whenReady(place, { manifests, renewedBy: undefined }, AbortSignal.timeout(BACK_SECONDS * 1000));
    }
    await switchFront(place, manifests, { token: this.#token, before: undefined });
  }

  async #remove(release: Digest): Promise<void> {
    await removeRelease(this.#place, release, await this.#manifestsOf(release));
  }

  async #hasSecrets(): Promise<boolean> {
    if (Object.keys(this.#secrets).length === 0) return true;
    return holds(await findSecret(this.#place, this.#manifests.release), this.#secrets);
  }

  #front(): Promise<Front | undefined> {
    return readFront(this.#place, this.#token);
  }

  #manifestsOf(release: Digest): Promise<Manifests> {
    const known = this.#known.get(release) ?? readManifests(this.#place, release);
    this.#known.set(release, known);
    return known;
  }
}
