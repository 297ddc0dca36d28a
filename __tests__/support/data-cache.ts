/** A cache of data sets as a training machine has it, and data sets to fill it with. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataCache, type DataInUse } from '../../src/data/cache.ts';
import { openSource } from '../../src/data/open.ts';
import { pushData } from '../../src/data/push.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { byBytes } from '../../src/lib/json.ts';
import type { DataReference } from '../../src/records/program.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import type { Store } from '../../src/store/store.ts';
import { type RecordingLog, recordingLog } from './log.ts';

export type Contents = Readonly<Record<string, string | Buffer>>;

export interface DataMachine {
  readonly root: string;
  readonly folder: string;
  readonly log: RecordingLog;
  readonly store: LayoutStore;
  /** What `oci:` stands for when it is no folder. */
  stores: (value: string) => Store;
  limit: number | undefined;
  env: Record<string, string>;
  /** Where commands run. */
  readonly directory: string;
  readonly stop: AbortController;
  /** Writes files, and pushes them as a data set. */
  push(files: Contents, to?: Store): Promise<Digest>;
  use(reference: DataReference, name?: string): Promise<DataInUse>;
  /** What is in the cache, by the first digits of its keys. */
  keys(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function dataMachine(): Promise<DataMachine> {
  const root = await mkdtemp(join(tmpdir(), 'trainyard-cache-'));
  const log = recordingLog();
  const store = new LayoutStore(join(root, 'yard'));
  const stop = new AbortController();
  let count = 0;
  const machine: DataMachine = {
    root,
    folder: join(root, 'cache'),
    log,
    store,
    stores: (value) => new LayoutStore(value),
    limit: undefined,
    env: { HOME: join(root, 'home') },
    directory: root,
    stop,
    push: async (files, to = store) => {
      const path = join(root, `set${++count}`);
      await writeAll(path, files);
      const deps = { store: to, notes: join(root, 'notes'), log, signal: stop.signal };
      return (await pushData({ path, name: 'set' }, deps)).record.digest;
    },
    use: async (reference, name = 'set') => {
      const { folder, limit, env } = machine;
      const openStore = async (value: string): Promise<Store> => machine.stores(value);
      const { directory } = machine;
      const place = {
        log,
        signal: stop.signal,
        env,
        openStore,
        sleep: async () => {},
        cache: folder,
        directory,
      };
      const source = await openSource(name, reference, place);
      if (source === undefined) throw new Error('it lies on this machine');
      return new DataCache({ folder, limit, log }, stop.signal).use(name, source);
    },
    keys: async () =>
      (await readdir(machine.folder))
        .filter((name) => /^[0-9a-f]{64}/.test(name))
        .map((name) => name.slice(0, 12) + name.slice(64))
        .filter((name) => !name.endsWith('.lock'))
        .sort(byBytes),
    remove: () => rm(root, { recursive: true, force: true }),
  };
  return machine;
}

/** Writes files below a folder. */
export async function writeAll(folder: string, files: Contents): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}
