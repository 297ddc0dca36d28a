import { chmod, cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { type Manifest, TITLE } from '../../src/records/oci.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { type Verdict, type Verified, verify } from '../../src/verify/verify.ts';
import { recordingLog } from './log.ts';
import { putDeployment } from './runs.ts';
import { digestIn, openWorkshop, type Workshop } from './workshop.ts';

export type Part = 'trainer' | 'server' | 'run' | 'package' | 'release' | 'deployment';

/** What was found of records, and every broken link with the kind of its record. */
export interface Checked extends Verified {
  readonly problems: readonly string[];
}

/** A store of the whole line, from commit to Deployment, which each test of a file breaks in its own way. */
export class Breakable {
  #shop: Workshop | undefined;
  #store: LayoutStore | undefined;
  #count = 0;
  /** Digests. */
  readonly line = { trainer: '', server: '', run: '', package: '', release: '', deployment: '' };

  constructor() {
    beforeAll(async () => {
      this.#shop = await openWorkshop();
      const { built, run, package: packaged } = await this.shop.toPackage();
      const release = digestIn((await this.shop.release(packaged)).outputs, 'release');
      const { digest } = await putDeployment(this.shop.store, release);
      const { trainer = '', server = '' } = built;
      Object.assign(this.line, { trainer, server, run, package: packaged, release, deployment: digest });
    }, 60_000);
    beforeEach(async () => {
      const folder = join(this.shop.root, `broken-${this.#count++}`);
      await cp(this.shop.store.location, folder, { recursive: true });
      this.#store = new LayoutStore(folder);
    });
    afterAll(() => this.shop.remove());
  }

  get shop(): Workshop {
    if (this.#shop === undefined) throw new Error('it opens before the tests');
    return this.#shop;
  }

  /** The present test's own. */
  get store(): LayoutStore {
    if (this.#store === undefined) throw new Error('it is copied before each test');
    return this.#store;
  }

  digestOf(part: Part): Digest {
    return digestIn(this.line, part);
  }

  async manifestOf(part: Part): Promise<Manifest> {
    const found = await getManifest(this.store, this.digestOf(part));
    if (found === undefined) throw new Error(`there is no ${part}`);
    return found.manifest;
  }

  /** The digest of a record's file, or of its configuration. */
  async blobOf(part: Part, file?: string): Promise<Digest> {
    const { config, layers } = await this.manifestOf(part);
    const found =
      file === undefined ? config : layers.find(({ annotations }) => annotations?.[TITLE] === file);
    if (found === undefined) throw new Error(`${part} has no ${file}`);
    return found.digest;
  }

  async damage(digest: Digest, bytes: string): Promise<void> {
    await chmod(this.store.pathOf(digest), 0o644);
    await writeFile(this.store.pathOf(digest), bytes);
  }

  /** Puts a record that is the present one with changes. */
  async putChanged(part: Part, changes: Partial<Manifest>, tag: string): Promise<Digest> {
    return this.store.put(canonicalBytes({ ...(await this.manifestOf(part)), ...changes }), [tag]);
  }

  /** Verifies a record, or every one. */
  async check(of?: Digest, more: { repair?: boolean; at?: Store } = {}): Promise<Checked> {
    const { repair = false, at: store = this.store } = more;
    const { signal } = new AbortController();
    const verified = await verify({ of, repair, store, log: recordingLog(), signal });
    return { ...verified, problems: problemsOf(verified.verdicts) };
  }
}

function problemsOf(verdicts: readonly Verdict[]): string[] {
  return verdicts.flatMap(({ kind, role, problems }) =>
    problems.map((problem) => `${role ?? kind}: ${problem}`),
  );
}
