import { tmpdir } from 'node:os';
import type { Digest } from '../../lib/digest.ts';
import type { Environment } from '../../lib/environment.ts';
import { UserError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { MANAGER } from '../../records/cluster.ts';
import { resourceNames } from '../../records/cluster-names.ts';
import type { Stored } from '../../records/kind.ts';
import type { ReleaseConfig } from '../../records/release.ts';
import type { Store } from '../../store/store.ts';
import type { Hold, Ledger } from '../ledger.ts';
import type { Site } from '../site.ts';
import { Api } from './api.ts';
import { editionOf } from './edition.ts';
import { namedBy, readFront } from './front.ts';
import { holderName, isGoneHere } from './holder.ts';
import { KubernetesLedger } from './ledger.ts';
import { readManifests } from './manifests.ts';
import { environmentLabels, type Place, selectorOf } from './place.ts';
import { KubectlProxy } from './proxy.ts';
import { referencedValues } from './references.ts';
import { removeOthers } from './remove.ts';
import { Resources } from './resources.ts';
import { KubernetesTarget } from './target.ts';

/** Longer than an API server may be gone in the midst of a deploy, with the time since the last renewal. */
export const LEASE_SECONDS = 60;

export interface ClusterDeps {
  readonly store: Store;
  /** The job's variables: KUBECONFIG, and what its credential plugins need. */
  readonly env: Environment;
  readonly log: Log;
  /** Who deploys, for another one that waits: the page of the run, or a user and a machine. */
  readonly who: string;
  /** How long a lock counts after its holder's last word. */
  readonly leaseSeconds?: number;
}

/** One project and environment in a namespace of a cluster. Its records are the store itself: pods pull from there, too. */
export class ClusterSite implements Site {
  readonly name: string;
  readonly environment: string;
  readonly location: string;
  readonly records: Store;
  readonly ledger: Ledger;
  readonly #ledger: KubernetesLedger;
  readonly #place: Place;
  readonly #context: string | undefined;
  readonly #env: Environment;
  #proxy: Promise<KubectlProxy> | undefined;
  #hold: Hold | undefined;

  /** @throws UserError for a store that no cluster can pull from, or a release for another kind of target */
  static async of(config: ReleaseConfig, deps: ClusterDeps): Promise<ClusterSite> {
    if (deps.store.client === undefined)
      throw new UserError(
        `the target kubernetes needs a store in a registry, from which pods pull, and the store is ${deps.store.location}; give input store as oci://HOST/REPOSITORY`,
      );
    return new ClusterSite(config, deps, await holderName(deps.who));
  }

  private constructor({ name, environment, target }: ReleaseConfig, deps: ClusterDeps, holder: string) {
    if (target.kind !== 'kubernetes')
      throw new UserError(`the release is for the target ${target.kind}, not for kubernetes`);
    const { store, env, log, leaseSeconds = LEASE_SECONDS } = deps;
    const { namespace, context } = target;
    const names = resourceNames(name, environment);
    const api = new Api({ socket: () => this.#socket(), log });
    this.name = name;
    this.environment = environment;
    this.location = `namespace ${namespace}${context === undefined ? '' : ` of ${context}`}`;
    this.records = store;
    const check = async (): Promise<void> => this.#hold?.check();
    const resources = new Resources(api, namespace);
    this.#place = { api, resources, namespace, name, environment, store, log, check };
    this.#context = context;
    this.#env = env;
    this.#ledger = new KubernetesLedger({
      api,
      namespace,
      name: names.ledger,
      labels: { 'app.kubernetes.io/managed-by': MANAGER, ...environmentLabels({ name, environment }) },
      holder,
      seconds: leaseSeconds,
      log,
      isGone: isGoneHere,
    });
    this.ledger = this.#ledger;
  }

  /** How many requests the API server was sent. */
  get calls(): number {
    return this.#place.api.calls;
  }

  async open(): Promise<void> {
    await this.#socket();
  }

  /** The store's records are nobody's to mend here. */
  async mend(): Promise<void> {}

  async live(): Promise<Digest | undefined> {
    return (await readFront(this.#place, Number.POSITIVE_INFINITY))?.lead.release;
  }

  /** Nothing has to be brought; what pods will not find is told. */
  async bring({ digest }: Stored<ReleaseConfig>): Promise<void> {
    await readManifests(this.#place, editionOf(digest));
  }

  async secretsOf({ digest }: Stored<ReleaseConfig>): Promise<Readonly<Record<string, string>>> {
    return referencedValues(this.#place, await readManifests(this.#place, editionOf(digest)));
  }

  async target(
    { digest }: Stored<ReleaseConfig>,
    secrets: Readonly<Record<string, string>>,
    hold: Hold,
  ): Promise<KubernetesTarget> {
    this.#hold = hold;
    const manifests = await readManifests(this.#place, editionOf(digest));
    return new KubernetesTarget({ place: this.#place, manifests, secrets, token: hold.token });
  }

  note(deployment: Digest): Promise<void> {
    return this.#ledger.note(deployment);
  }

  async tidy(): Promise<void> {
    const { journal, token } = await this.#ledger.look();
    // Whoever came after this deploy has a release on trial.
    if (this.#hold === undefined || token > this.#hold.token) return;
    const front = await readFront(this.#place, this.#hold.token);
    const journaled = [journal?.release, journal?.before].flatMap((one) => one ?? []);
    // What a deploy that is not over has begun may be a renewal.
    const kept = journaled.flatMap((one) => [editionOf(one), editionOf(one, journal?.token)]);
    await removeOthers(this.#place, [...namedBy(front), ...kept]);
  }

  async stopCommand(): Promise<string | undefined> {
    const context = this.#context === undefined ? '' : ` --context=${this.#context}`;
    return `kubectl${context} --namespace=${this.#place.namespace} delete deployment,service,poddisruptionbudget,configmap,secret --selector=${selectorOf(this.#place)},trainyard.dev/release`;
  }

  async close(): Promise<void> {
    const proxy = await this.#proxy?.catch(() => undefined);
    this.#proxy = undefined;
    await proxy?.close();
  }

  async #socket(): Promise<string> {
    this.#proxy ??= KubectlProxy.start({ env: this.#env, context: this.#context, scratch: tmpdir() });
    return (await this.#proxy).socket();
  }
}
