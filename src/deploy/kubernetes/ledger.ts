import type { Digest } from '../../lib/digest.ts';
import { MachineError, UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import { type Hold, type Ledger, type Memory, memory, TakenOver } from '../ledger.ts';
import { begun } from './apply.ts';
import { type LeasePlace, takeLease } from './lease.ts';
import { type ConfigMap, configMap } from './types/config-map.ts';

/**
 * The lock of an environment is a Lease, and what is kept under it a ConfigMap of the same name. Each holder writes its token
 * there when it comes, so that one that was taken for dead finds itself too late.
 */
export class KubernetesLedger implements Ledger {
  readonly #place: LeasePlace;

  constructor(place: LeasePlace) {
    this.#place = place;
  }

  async lock(signal: AbortSignal): Promise<Hold> {
    const place = this.#place;
    const found = await this.#find();
    const held = await takeLease(place, tokenOf(found), signal);
    try {
      let current = await this.#claim(held.token, found);
      return {
        token: held.token,
        lost: held.lost,
        // Nobody else writes it while its token is ours.
        read: async () => memoryOf(current, place),
        // What is refused from here on is no mistake before which nothing was changed.
        write: (next) =>
          begun(async () => {
            current = await this.#write(held.token, current, next);
          }),
        check: () =>
          begun(async () => {
            const newest = tokenOf(await this.#find());
            if (newest > held.token) throw takenOver(place, newest, held.token);
          }),
        release: () => held.release(),
      };
    } catch (error) {
      await held.release();
      throw error;
    }
  }

  /** What is remembered, and the token of the newest holder, without the lock: both may change at any time. */
  async look(): Promise<Memory & { readonly token: number }> {
    const found = await this.#find();
    const known = found === undefined ? {} : memoryOf(found, this.#place);
    return { ...known, token: tokenOf(found) };
  }

  /** Notes which Deployment brought what serves. */
  async note(deployment: Digest): Promise<void> {
    const { api } = this.#place;
    await api.merge(this.#path, { data: { deployment } }, configMap);
  }

  get #folder(): string {
    return `/api/v1/namespaces/${this.#place.namespace}/configmaps`;
  }

  get #path(): string {
    return `${this.#folder}/${this.#place.name}`;
  }

  #find(): Promise<ConfigMap | undefined> {
    return this.#place.api.get(this.#path, configMap);
  }

  /** Writes the new holder's token beside what is remembered. */
  async #claim(token: number, found: ConfigMap | undefined): Promise<ConfigMap> {
    const { api, name, namespace, labels } = this.#place;
    if (found !== undefined) return this.#write(token, found);
    const data = { memory: '{}', token: String(token) };
    const head = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels } };
    const made = await api.create(this.#folder, { ...head, data }, configMap);
    if (made !== undefined) return made;
    const other = await this.#find();
    return other === undefined ? this.#claim(token, undefined) : this.#write(token, other);
  }

  /** Replaces the version that is known, and no other that a later holder wrote. Without `next` the memory stays. */
  async #write(token: number, known: ConfigMap, next?: Memory): Promise<ConfigMap> {
    const { api, name, namespace } = this.#place;
    for (let current = known; ; ) {
      const data = { ...current.data, token: String(token), ...(next && { memory: JSON.stringify(next) }) };
      const { metadata } = current;
      const wanted = { ...current, apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
      const written = await api.replace(this.#path, wanted, configMap);
      if (written !== undefined) return written;
      const found = await this.#find();
      if (found === undefined)
        throw new MachineError(
          `the ConfigMap ${namespace}/${name} was removed while this deploy was under way`,
        );
      if (tokenOf(found) > token) throw takenOver(this.#place, tokenOf(found), token);
      current = found;
    }
  }
}

function takenOver({ namespace, name }: LeasePlace, newest: number, token: number): TakenOver {
  return new TakenOver(
    `the lock ${namespace}/${name} was taken over by another deploy (token ${newest}, this one has ${token}); this one stops`,
  );
}

function tokenOf(found: ConfigMap | undefined): number {
  return Number(found?.data?.token ?? 0) || 0;
}

function memoryOf({ data }: ConfigMap, { namespace, name }: LeasePlace): Memory {
  const parsed = memory.safeParse(tryJson(data?.memory ?? '{}'));
  if (parsed.success) return parsed.data;
  throw new UserError(
    `the ConfigMap ${namespace}/${name} holds a memory that this version does not read. It was changed by hand, or by a newer Trainyard: use that version; or, if nothing is being deployed, remove the ConfigMap and deploy again`,
  );
}
