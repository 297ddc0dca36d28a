import type { Digest } from '../lib/digest.ts';
import type { KindName } from '../records/kind.ts';
import { kindOf } from '../records/kinds.ts';
import type { Link, LinkTarget } from '../store/links.ts';
import type { Store } from '../store/store.ts';
import { type Looked, lookAt, manifestIn } from './record.ts';

const BUILD = 'run build again on its commit';

/** What can be done for a record that is gone, or of which something is. */
export const AGAIN: Readonly<Record<LinkTarget | 'image' | 'index', string>> = {
  program: BUILD,
  trainer: BUILD,
  server: BUILD,
  source: 'run the stage again that made what it explains',
  run: 'package it again from a hand-off that has it, or train again',
  package: 'run package-model again',
  release: 'run release-config again',
  deployment: 'deploy its release again, which writes a new one',
  checkpoint: 'the training goes on from the one before',
  data: 'put the data set into the store again',
  member: 'write it again with the tool that made it',
  image: 'write it again with the tool that made it',
  index: 'write it again with the tool that made it',
};

/** A record as it was met, with what is wrong around it. */
export interface Met extends Omit<Looked, 'problems'> {
  readonly problems: string[];
}

/** Looks at records and at all that they stand on, each once, parents first. */
export class Walk {
  readonly met = new Map<Digest, Met>();
  readonly #store: Store;
  readonly #sources: (of: Digest) => Promise<readonly Digest[]>;

  /** @param sources gives the Source records of a record */
  constructor(store: Store, sources: (of: Digest) => Promise<readonly Digest[]>) {
    this.#store = store;
    this.#sources = sources;
  }

  /** @returns what was met, undefined when it is not in the store */
  async visit(digest: Digest): Promise<Met | undefined> {
    const known = this.met.get(digest);
    if (known !== undefined) return known;
    const looked = await lookAt(this.#store, digest);
    if (looked === undefined) return undefined;
    const record: Met = { ...looked, problems: [...looked.problems] };
    for (const link of looked.links) await this.#follow(link, record);
    this.met.set(digest, record);
    if (looked.kind === 'program' || looked.kind === 'release') await this.#explain(record, looked.kind);
    return record;
  }

  async #follow({ to, as, size, isOptional }: Link, record: Met): Promise<void> {
    if (isOptional && (await this.#kindOf(to)) !== 'data') return;
    const parent = await this.visit(to);
    const what = as.join(' or ');
    const [first = 'member'] = as;
    if (parent === undefined) {
      const which = first === 'member' ? `its member ${to}` : `the ${what} that it stands on, ${to},`;
      const place = `${which} is not in ${this.#store.location}`;
      record.problems.push(`${place}; ${AGAIN[first]}`);
    } else if (!as.some((target) => [parent.kind, parent.role, 'member'].includes(target))) {
      // One that could not be read has a problem of its own.
      if (parent.kind !== undefined)
        record.problems.push(`it stands on ${to}, which is no ${what}, but ${parent.role ?? parent.kind}`);
    } else if (size !== undefined && size !== parent.size) {
      record.problems.push(`it says that the ${what} ${to} has ${size} bytes, and it has ${parent.size}`);
    }
  }

  /** Without a Source nobody knows of which commit it is. */
  async #explain(record: Met, kind: 'program' | 'release'): Promise<void> {
    const sources = await this.#sources(record.digest);
    for (const source of sources) await this.visit(source);
    if (sources.length > 0) return;
    const place = `no source in ${this.#store.location} says which commit it is of`;
    record.problems.push(`${place}; ${AGAIN[kind]}`);
  }

  async #kindOf(digest: Digest): Promise<KindName | 'newer' | undefined> {
    return kindOf((await manifestIn(this.#store, digest))?.artifactType);
  }
}
