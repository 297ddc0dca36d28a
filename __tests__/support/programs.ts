import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { Stored } from '../../src/records/kind.ts';
import {
  LOCK_LAYER,
  type ProgramConfig,
  program,
  type ServerConfig,
  SOURCE_LAYER,
  type TrainerConfig,
} from '../../src/records/program.ts';
import { layer, putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';

/** Files of a program by path; one that begins with `#!` is executable. */
export type Files = Readonly<Record<string, string>>;

type Overrides<C> = Partial<Omit<C, 'role' | 'environment'>>;

/** A trainer in a store, as build would write it, with requirements that are empty unless given. */
export async function putTrainer(
  store: Store,
  files: Files,
  overrides: Overrides<TrainerConfig> = {},
  requirements = '',
): Promise<Stored<TrainerConfig>> {
  const { layers, environment } = await putParts(store, files, requirements);
  const config: TrainerConfig = {
    role: 'trainer',
    name: 'toy',
    directory: '.',
    command: ['python', 'train.py'],
    environment,
    params: {},
    data: {},
    env: [],
    resources: {},
    finite: [],
    launcher: { kind: 'local' },
    checkpoints: { keep: 2 },
    ...overrides,
  };
  return { ...(await putRecord<ProgramConfig>(store, program, { config, layers })), config };
}

/** A server in a store, likewise. */
export async function putServer(
  store: Store,
  files: Files,
  overrides: Overrides<ServerConfig> = {},
  requirements = '',
): Promise<Stored<ServerConfig>> {
  const { layers, environment } = await putParts(store, files, requirements);
  const config: ServerConfig = {
    role: 'server',
    name: 'toy',
    directory: '.',
    command: ['python', 'serve.py', '${port}'],
    environment,
    ready: '/ready',
    readyTimeoutSeconds: 20,
    tolerance: 1e-4,
    ...overrides,
  };
  return { ...(await putRecord<ProgramConfig>(store, program, { config, layers })), config };
}

async function putParts(store: Store, files: Files, requirements: string) {
  const archive = pack();
  for (const [name, content] of Object.entries(files))
    archive.entry({ name, mode: content.startsWith('#!') ? 0o755 : 0o644, mtime: new Date(0) }, content);
  archive.finalize();
  const source = await store.write({ bytes: await buffer(archive) });
  const lock = await store.write({ bytes: Buffer.from(requirements) });
  return {
    environment: { kind: 'requirements' as const, lock: lock.digest },
    layers: [layer(SOURCE_LAYER, source, 'source.tar'), layer(LOCK_LAYER, lock, 'requirements.txt')],
  };
}
