/** The artifacts of a run as a store, while the service fails at random: nothing is lost, and nothing wrong is read. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { MachineError, UserError } from '../../src/lib/errors.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { IMAGE_MANIFEST } from '../../src/records/oci.ts';
import { artifactStore } from '../../src/store/artifact.ts';
import { readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { type ResultsService, startResultsService } from '../support/results-service.ts';

/** How long the service fails, in seconds, and how the failures are drawn. */
const SECONDS = Number(process.env.SOAK_SECONDS ?? 3);
const SEED = Number(process.env.SOAK_SEED ?? 1);
/** How many records are put at least, however slow the machine is. */
const LEAST = 6;
/** The client's own waits and limits of time pass this much faster. */
const FASTER = 300;

let root: string;
let service: ResultsService;
beforeEach(async () => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  const { setTimeout } = globalThis;
  jest
    .spyOn(globalThis, 'setTimeout')
    .mockImplementation((work, milliseconds = 0) => setTimeout(work, milliseconds / FASTER));
  root = await mkdtemp(join(tmpdir(), 'artifact-soak-'));
  service = await startResultsService();
  Object.assign(process.env, service.env());
});
afterEach(async () => {
  jest.restoreAllMocks();
  await service.close();
  for (const name of Object.keys(service.env())) delete process.env[name];
  await rm(root, { recursive: true, force: true });
});

/** A record with three layers: one of its own, an empty one, and one that every third record has. */
interface Content {
  readonly tag: string;
  readonly layers: readonly Buffer[];
  readonly config: Uint8Array;
  readonly manifest: Uint8Array;
  readonly digest: Digest;
}

function contentOf(n: number): Content {
  const fill = (seed: string): Buffer => {
    const block = createHash('sha512').update(seed).digest();
    return Buffer.concat(Array.from({ length: 500 }, () => block));
  };
  const layers = [fill(`own ${n}`), Buffer.alloc(0), fill(`shared ${n % 3}`)];
  const config = canonicalBytes({ n });
  const blob = (bytes: Uint8Array) => ({ digest: digestOf(bytes), size: bytes.length });
  const manifest = canonicalBytes({
    schemaVersion: 2,
    mediaType: IMAGE_MANIFEST,
    config: { mediaType: 'application/json', ...blob(config) },
    layers: layers.map((bytes) => ({ mediaType: 'application/octet-stream', ...blob(bytes) })),
  });
  const digest = digestOf(manifest);
  return { tag: `run-${digest.slice(7, 19)}`, layers, config, manifest, digest };
}

let steps = 0;
/** The run as a new step sees it. */
async function open(): Promise<Store> {
  const folder = join(root, `step-${steps++}`);
  await mkdir(folder);
  return artifactStore({
    env: process.env,
    folder,
    log: { info: () => {}, warning: () => {}, group: (_title, work) => work() },
    sleep: async () => {},
  });
}

async function put(store: Store, content: Content): Promise<void> {
  for (const bytes of [...content.layers, content.config]) await store.write({ bytes });
  expect(await store.put(content.manifest, [content.tag])).toBe(content.digest);
}

/** Everything of it, right. @returns how many bytes were read */
async function get(store: Store, content: Content): Promise<number> {
  const found = await store.get(content.digest);
  if (found === undefined) throw new Error(`${content.tag} is lost`);
  expect(digestOf(found)).toBe(content.digest);
  for (const bytes of content.layers)
    expect((await readBytes(store, digestOf(bytes))).equals(bytes)).toBe(true);
  return content.layers.reduce((sum, { length }) => sum + length, 0);
}

test(
  `${SECONDS} seconds of random failures (seed ${SEED}) lose nothing, and every read is right or an error`,
  async () => {
    service.failAtRandom({ seed: SEED, chance: 0.3 });
    const stored: Content[] = [];
    const failed: Content[] = [];
    let reads = 0;
    let errors = 0;
    /** Whether it succeeded; an error must be one that says whose fault it is. */
    const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        if (!(error instanceof MachineError || error instanceof UserError)) throw error;
        errors++;
        return false;
      }
    };
    for (let n = 0, end = performance.now() + SECONDS * 1000; performance.now() < end || n < LEAST; n++) {
      const content = contentOf(n);
      ((await attempt(async () => put(await open(), content))) ? stored : failed).push(content);
      for (const earlier of [stored.at(-1), stored[n % (stored.length + 1)]])
        if (earlier !== undefined && (await attempt(async () => get(await open(), earlier)))) reads++;
      // As a re-run does, which must find what is there.
      const { [n % 5 === 0 ? n % (stored.length || 1) : -1]: again } = stored;
      if (again !== undefined) await attempt(async () => put(await open(), again));
    }
    service.failAtRandom();

    for (const content of failed) await put(await open(), content);
    const last = await open();
    expect(await last.names('run-')).toEqual(
      new Map([...stored, ...failed].map(({ tag, digest }) => [tag, digest])),
    );
    for (const content of [...stored, ...failed]) await get(last, content);
    // What was refused or broke off left nothing behind.
    expect(await readdir(join(root, `step-${steps - 1}`, 'tmp'))).toEqual([]);
    expect(stored.length).toBeGreaterThan(0);
    expect(reads).toBeGreaterThan(0);
    if (process.env.SOAK_SECONDS !== undefined)
      process.stderr.write(
        `${stored.length} records stored, ${failed.length} failed, ${reads} reads, ${errors} errors, ${service.requests.length} requests\n`,
      );
  },
  (SECONDS + 120) * 1000,
);
