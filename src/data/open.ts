import type { Log } from '../lib/log.ts';
import type { Web } from '../lib/web.ts';
import type { DataReference } from '../records/program.ts';
import type { Store } from '../store/store.ts';
import type { Hub } from './hub.ts';
import type { Source } from './source.ts';

/** What asking other places for data takes. */
export interface DataPlace {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The machine's variables: proxies, and where its credentials are. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Opens the store that a value names, `oci://HOST/REPOSITORY` or a folder. */
  openStore(value: string, place: string): Promise<Store>;
  /** The folder of the cache; what is on its way may be laid aside next to it. */
  readonly cache: string;
  /** The trainer's folder, in which a command of its project runs. */
  readonly directory: string;
  /** Waits some milliseconds between attempts; tests pass their own. */
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

type WebPlace = Pick<DataPlace, 'log' | 'signal' | 'env' | 'sleep'>;

/** Opens a data set that is somewhere else; nothing is asked yet. Undefined for one that lies on this machine. */
export async function openSource(
  name: string,
  reference: DataReference,
  place: DataPlace,
): Promise<Source | undefined> {
  if ('path' in reference) return undefined;
  if ('oci' in reference) {
    const { StoreSource } = await import('./store-source.ts');
    const store = reference.oci.startsWith('/') ? reference.oci : `oci://${reference.oci}`;
    return new StoreSource(await place.openStore(store, `trainer.data.${name}.oci`), reference.digest);
  }
  if ('https' in reference) {
    const { WebSource } = await import('./web-source.ts');
    return new WebSource(name, reference.https, reference.digest, await openWeb(place), place.env);
  }
  if ('dvc' in reference) return new (await import('./dvc-source.ts')).DvcSource(name, reference, place);
  if ('command' in reference)
    return new (await import('./command-source.ts')).CommandSource(name, reference, place);
  const { HubSource } = await import('./hub-source.ts');
  return new HubSource(reference, await openHub(place));
}

/** Opens the Hugging Face Hub, or the host that HF_ENDPOINT names; nothing is asked yet. */
export async function openHub(place: WebPlace): Promise<Hub> {
  const { Hub } = await import('./hub.ts');
  return new Hub(await openWeb(place), place.env);
}

/** The client's code is loaded only where there is something to fetch. */
async function openWeb({ log, signal, env, sleep }: WebPlace): Promise<Web> {
  const client = await import('../lib/web.ts');
  return new client.Web({ log, signal, env, sleep });
}
