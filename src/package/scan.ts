import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { isDiskFull } from '../lib/disk-full.ts';
import { MachineError, messageOf } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';
import { run } from '../lib/process.ts';
import type { PythonEnvironment } from '../lib/python.ts';
import type { Descriptor } from '../records/oci.ts';
import type { Store } from '../store/store.ts';
import { Unfit } from './formats/format.ts';
import { SCANNER, SCANNER_SCRIPT } from './scanner-script.ts';

/** Longer than any clean file takes. */
const TIMEOUT_MS = 15 * 60_000;
const WAYS = 'let the trainer save tensors alone (torch.save of a state_dict), or export safetensors or ONNX';

export interface ScanDeps {
  /** The environment that SCANNER_REQUIREMENTS make. */
  python(): Promise<PythonEnvironment>;
  /** A new empty folder, with room for the largest file. */
  scratch(): Promise<string>;
  readonly signal: AbortSignal;
}

const verdict = z.object({ scanned: z.int().nonnegative(), problems: z.array(z.string()) });

/** Has files that are or hold pickles looked at by a scanner, in a process without anything of this one's environment. */
export class PickleScanner {
  readonly #deps: ScanDeps;
  /** A digest never stands for other bytes. */
  readonly #clean = new Set<Digest>();
  /** One at a time: each lies on this machine's disk meanwhile. */
  readonly #turn = pLimit(1);

  constructor(deps: ScanDeps) {
    this.#deps = deps;
  }

  /** @throws Unfit unless at least one pickle was looked at and nothing was found in any; MachineError without a scanner */
  scan(store: Store, blob: Descriptor, path: string): Promise<void> {
    return this.#turn(() => this.#scan(store, blob, path));
  }

  async #scan(store: Store, { digest, size }: Descriptor, path: string): Promise<void> {
    if (this.#clean.has(digest)) return;
    const { folder } = await this.#deps.python();
    const scratch = await this.#deps.scratch();
    try {
      // Its name says nothing of what it is, and its bytes are verified on their way.
      const file = join(scratch, 'file');
      await pipeline(await store.read(digest), createWriteStream(file, { mode: 0o600 })).catch(
        (error: unknown) => {
          if (!isDiskFull(error)) throw error;
          throw new MachineError(
            `${path} is to be scanned, and ${scratch} has no room for ${size} bytes; make room`,
            {
              cause: error,
            },
          );
        },
      );
      const { scanned, problems } = await this.#look(join(folder, 'bin', 'python'), file);
      if (problems.length > 0) throw new Unfit(`is not clean by ${SCANNER}: ${problems.join('; ')}; ${WAYS}`);
      if (scanned === 0) throw new Unfit(`holds no pickle, so that ${SCANNER} had nothing to scan; ${WAYS}`);
      this.#clean.add(digest);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #look(python: string, file: string): Promise<z.infer<typeof verdict>> {
    const { signal } = this.#deps;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const argv = [python, '-I', '-c', SCANNER_SCRIPT, file];
    const said = await run(argv, { env: {}, signal: limit, maxOutput: 2 ** 20 }).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new Unfit(`could not be scanned by ${SCANNER} (${messageOf(cause)}); ${WAYS}`);
    });
    const parsed = verdict.safeParse(tryJson(said.stdout.toString()));
    if (parsed.success) return parsed.data;
    throw new Unfit(`could not be scanned by ${SCANNER}, which gave no verdict; ${WAYS}`);
  }
}
