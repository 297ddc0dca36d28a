import type { Digest } from '../../lib/digest.ts';
import { MachineError, UserError } from '../../lib/errors.ts';
import type { HttpAnswer, HttpRequest } from '../../lib/http.ts';
import type { Ask, Serving, Target } from '../target.ts';
import { applyObjects, begun, checkObjects, missingOf } from './apply.ts';
import { askPods, askService } from './asking.ts';
import { type Edition, editionOf, editionText, isSame } from './edition.ts';
import { beforeOf, type Front, isWhole, namedBy, readFront, switchFront } from './front.ts';
import { identify } from './identify.ts';
import { isWorkload, type Manifests, readManifests } from './manifests.ts';
import type { Place } from './place.ts';
import { isReady, podsOf } from './pods.ts';
import { whenReady } from './ready.ts';
import { missingSecrets } from './references.ts';
import { editionsOf, removeEdition } from './remove.ts';
import { findSecret, holds, secretOf, type Values } from './secrets.ts';
import { whenStarted } from './started.ts';

/** How long a release that served before may take to be ready again. */
const BACK_SECONDS = 600;

export interface TargetOptions {
  readonly place: Place;
  /** Of the release's first edition. */
  readonly manifests: Manifests;
  /** By name, for what the release names. */
  readonly secrets: Values;
  /** What this deploy does to the Services is refused after one of a greater token. */
  readonly token: number;
}

/**
 * A release in a cluster: its own Deployment beside that of what serves, and Services that name one of both. One that serves
 * already is started beside itself, as another edition. What a deploy that was killed has to leave for the next one stands on the
 * Services.
 */
export class KubernetesTarget implements Target {
  readonly endpoint: string;
  readonly #place: Place;
  readonly #first: Manifests;
  readonly #secrets: Values;
  readonly #token: number;
  readonly #known = new Map<string, Promise<Manifests>>();
  /** What this deploy has started, and not undone. */
  #started: Manifests | undefined;
  /** What was proved last, and answers in public. */
  #identified: Manifests;

  constructor({ place, manifests, secrets, token }: TargetOptions) {
    this.#place = place;
    this.#first = manifests;
    this.#identified = manifests;
    this.#secrets = secrets;
    this.#token = token;
    this.#known.set(editionText(manifests), Promise.resolve(manifests));
    const [service] = manifests.services;
    const port = service?.spec.ports[0]?.port ?? 80;
    this.endpoint = `http://${service?.metadata.name}.${place.namespace}.svc${port === 80 ? '' : `:${port}`}`;
  }

  public = (wanted: HttpRequest): Promise<HttpAnswer> =>
    askService(this.#place, this.#identified, this.#identified.release)(wanted);

  async serving(): Promise<Serving | undefined> {
    const front = await this.#front();
    if (front === undefined) return undefined;
    const { lead } = front;
    const isOurs = lead.release === this.#first.release && lead.before === undefined;
    const asWanted =
      isOurs && isWhole(front, await this.#manifestsOf(lead)) && (await this.#hasSecrets(lead));
    return { release: lead.release, asWanted };
  }

  async identify(release: Digest, signal?: AbortSignal): Promise<string> {
    return begun(async () => {
      const first = await this.#manifestsOf(editionOf(release));
      const front = await this.#front(first);
      const served = front?.lead.release === release ? front.lead : first;
      const wanted = this.#started?.release === release ? this.#started : served;
      const manifests = await this.#manifestsOf(wanted);
      const word = await identify(this.#place, manifests, front, { signal });
      this.#identified = manifests;
      return word;
    });
  }

  async start(signal: AbortSignal): Promise<Ask> {
    const place = this.#place;
    const { release } = this.#first;
    const isAgain = namedBy(await this.#front()).some((one) => one.release === release);
    const manifests = await this.#manifestsOf(editionOf(release, isAgain ? this.#token : undefined));
    const { own, shared, services } = manifests;
    const secrets = secretOf(place, manifests, this.#secrets);
    const missing = await missingSecrets(place, manifests);
    const there = await checkObjects(place, [...secrets, ...own, ...shared, ...services], missing);
    return begun(async () => {
      this.#started = manifests;
      const others = own.filter((object) => !isWorkload(object));
      await applyObjects(place, [...secrets, ...others, ...shared.filter((object) => !there.has(object))]);
      await applyObjects(place, own.filter(isWorkload));
      const ready = () => whenStarted(place, manifests, signal);
      return askPods(place, manifests, await ready(), ready);
    });
  }

  async switch(): Promise<void> {
    await begun(async () => {
      const front = await this.#front();
      const mine = await this.#mine(front);
      const isOn = front?.all.some((one) => isSame(one, mine));
      const before = front === undefined ? null : isOn ? beforeOf(front, mine) : front.lead;
      if (before) await this.#keepWay(before);
      await switchFront(this.#place, mine, { token: this.#token, before });
    });
  }

  async commit(): Promise<void> {
    await begun(async () => {
      const front = await this.#front();
      const mine = await this.#mine(front);
      if (front === undefined || !isWhole(front, mine))
        throw new MachineError('the Services of the cluster name another release by now; nothing is removed');
      const before = beforeOf(front, mine);
      if (before === undefined) return;
      // All Services of the release name it: one that still names what served before is no longer wanted.
      if (before !== null) await this.#remove(before, { withServices: true });
      // From here on there is no way back.
      await switchFront(this.#place, mine, { token: this.#token, before: undefined });
    });
  }

  async revert(): Promise<void> {
    await begun(async () => {
      const front = await this.#front();
      const mine = await this.#mine(front);
      const isOn = front?.all.some((one) => isSame(one, mine)) === true;
      const before = isOn ? beforeOf(front, mine) : front?.lead;
      if (before) await this.#bringBack(before);
      // With the Services that nothing had before it.
      if (isOn && before !== undefined) await this.#remove(mine, { withServices: true });
      await this.#end();
    });
  }

  async abandon(): Promise<void> {
    await begun(() => this.#end());
  }

  /** Ends what was started of the release, but what Services name. */
  async #end(): Promise<void> {
    const { own, release } = this.#first;
    const started = this.#started ?? this.#first;
    this.#started = undefined;
    const there = await editionsOf(this.#place, release, own.filter(isWorkload));
    const named = namedBy(await this.#front());
    const over = [started, ...there.filter((one) => !isSame(one, started))];
    for (const edition of over.filter((one) => !named.some((other) => isSame(one, other))))
      await this.#remove(edition);
  }

  async #bringBack(edition: Edition): Promise<void> {
    const place = this.#place;
    const manifests = await this.#manifestsOf(edition);
    const isUp = (await podsOf(place, manifests)).some(isReady);
    // What a commit that failed has removed. A Job that is over may have removed itself.
    const all = manifests.own.filter(({ kind }) => kind !== 'Job');
    const missing = await missingOf(place, all);
    // A Deployment that is there and up may have more pods than it was given.
    await applyObjects(place, isUp ? missing : manifests.own);
    // Pods of one that was removed are ready for a moment more.
    if (!isUp || missing.some(isWorkload))
      await whenReady(place, manifests, AbortSignal.timeout(BACK_SECONDS * 1000));
    await switchFront(place, manifests, { token: this.#token, before: undefined });
  }

  async #remove(edition: Edition, { withServices = false } = {}): Promise<void> {
    const { own, shared, services } = await this.#manifestsOf(edition);
    await removeEdition(this.#place, edition, [...own, ...shared, ...(withServices ? services : [])]);
  }

  /** What this deploy has to do with: what it has started, or one that killed itself has left on trial, or what serves. */
  async #mine(front: Front | undefined): Promise<Manifests> {
    if (this.#started !== undefined) return this.#started;
    const { release } = this.#first;
    const ours = (front?.all ?? []).filter((one) => one.release === release);
    const lead = front?.lead.release === release ? front.lead : ours[0];
    return this.#manifestsOf(ours.find(({ before }) => before !== undefined) ?? lead ?? this.#first);
  }

  /** Reads what a way back needs while it can be read. */
  async #keepWay(before: Edition): Promise<void> {
    try {
      await this.#manifestsOf(before);
      await this.#manifestsOf(editionOf(before.release));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#place.log.warning(`what serves could not be brought back: ${error.message}`);
    }
  }

  async #hasSecrets(edition: Edition): Promise<boolean> {
    if (Object.keys(this.#secrets).length === 0) return true;
    return holds(await findSecret(this.#place, edition), this.#secrets);
  }

  /** As the public Service of the manifests has it. */
  #front({ services: [service] } = this.#first): Promise<Front | undefined> {
    return readFront(this.#place, this.#token, service?.metadata.name);
  }

  #manifestsOf(edition: Edition): Promise<Manifests> {
    const text = editionText(edition);
    const known = this.#known.get(text) ?? readManifests(this.#place, edition);
    this.#known.set(text, known);
    // A store that fails once may be asked again.
    known.catch(() => this.#known.delete(text));
    return known;
  }
}
