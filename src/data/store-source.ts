import { type Digest, hexOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';
import { type DataIndex, dataIndex, dataSet, FILE_LAYER, INDEX_LAYER, SHARD_LAYER } from '../records/data.ts';
import type { Descriptor } from '../records/oci.ts';
import { getRecord, readBytes } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { pathProblems } from './names.ts';
import { cacheKey, type Plan, type Source, type Unit } from './source.ts';

/** Bytes of one request where a download goes on that broke off in an earlier run. */
const PIECE = 16 * 2 ** 20;

/** A data set in a store. */
export class StoreSource implements Source {
  readonly proves = true;
  readonly key: string;
  readonly #store: Store;
  readonly #digest: Digest;

  constructor(store: Store, digest: Digest) {
    this.#store = store;
    this.#digest = digest;
    this.key = cacheKey('oci', digest);
  }

  get place(): string {
    return this.#store.location;
  }

  fix(): string {
    return 'the store is damaged; push the data set again';
  }

  /** @throws UserError when the store has no such data set, or one that was not made by Trainyard */
  async plan(): Promise<Plan> {
    const { config, manifest } = await getRecord(this.#store, dataSet, this.#digest);
    const layers = manifest.layers.filter(({ mediaType }) => mediaType !== INDEX_LAYER);
    const index = await this.#indexOf(manifest.layers.find(({ mediaType }) => mediaType === INDEX_LAYER));
    const [problem] = pathProblems(index.layers.flatMap(({ files }) => files.map(([path]) => path)));
    if (problem !== undefined) throw this.#refusal(`its file ${problem}`);
    if (index.layers.length !== layers.length) throw this.#refusal('its index is that of another one');
    const units = index.layers.map(({ digest, files }, i) => {
      const layer = layers[i];
      if (layer?.digest !== digest) throw this.#refusal('its index is that of another one');
      return { kind: this.#kindOf(layer), hex: hexOf(digest), size: layer.size, files };
    });
    return { form: config.form, bytes: config.bytes, units };
  }

  async open({ hex, size }: Unit, offset: number): Promise<AsyncIterable<Buffer>> {
    return offset === 0
      ? this.#store.read(`sha256:${hex}`)
      : this.#pieces(`sha256:${hex}`, offset, size ?? 0);
  }

  async fetchInto({ hex, size }: Unit, file: string): Promise<boolean> {
    return (await this.#store.fetch?.({ digest: `sha256:${hex}`, size: size ?? 0 }, file)) ?? false;
  }

  async *#pieces(digest: Digest, offset: number, size: number): AsyncGenerator<Buffer> {
    for (let at = offset; at < size; ) {
      const piece = await this.#store.peek(digest, at, Math.min(PIECE, size - at));
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  async #indexOf(layer: Descriptor | undefined): Promise<DataIndex> {
    const text = layer && (await readBytes(this.#store, layer.digest)).toString('utf8');
    const parsed = dataIndex.safeParse(tryJson(text ?? ''));
    if (parsed.success) return parsed.data;
    throw this.#refusal('it has no index that this version reads');
  }

  #kindOf({ mediaType }: Descriptor): Unit['kind'] {
    if (mediaType === SHARD_LAYER) return 'shard';
    if (mediaType === FILE_LAYER) return 'file';
    throw this.#refusal(`it has a layer of the type ${mediaType}`);
  }

  #refusal(why: string): UserError {
    return new UserError(
      `the data set ${this.#digest} in ${this.place} cannot be used: ${why}; push it again with the action data`,
    );
  }
}
