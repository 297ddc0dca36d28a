import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestOf, hexOf } from './digest.ts';
import { type Environment, pathWith, toolEnvironment } from './environment.ts';
import { codeOf, MachineError, UserError } from './errors.ts';
import { aside, renameOntoEmpty } from './files.ts';
import { digestOfJson } from './json.ts';
import type { Log } from './log.ts';
import { run } from './process.ts';

/** A program's packages, pinned by hash: requirements in pip's form, or uv's lock with its project file. */
export type Lock =
  | { readonly kind: 'requirements'; readonly requirements: Uint8Array }
  | {
      readonly kind: 'uv';
      readonly lock: Uint8Array;
      readonly project: Uint8Array;
      readonly groups: readonly string[];
    };

export interface PythonEnvironment {
  /** A virtual environment; `bin` in it goes first on the PATH. */
  readonly folder: string;
  /** Python's version. */
  readonly python: string;
}

export interface PythonDeps {
  /** Where environments are kept, each under a key of what it is made of. */
  readonly folder: string;
  /** The machine's variables; uv and pip get the part that an allow-list takes. */
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Gives the path of uv; called only when an environment has to be made. */
  uv(): Promise<string>;
}

const interpreter = z.object({
  version: z.string(),
  implementation: z.string(),
  platform: z.string(),
  libc: z.string(),
  executable: z.string(),
});

/** The interpreter below any virtual environment that is active. */
const ASK = `import json, platform, sys, sysconfig
print(json.dumps(dict(version=platform.python_version(), implementation=sys.implementation.name,
    platform=sysconfig.get_platform(), libc='-'.join(platform.libc_ver()),
    executable=getattr(sys, '_base_executable', None) or sys.executable)))`;

/**
 * Gives the environment that a lock and this machine's python3 amount to, made on the first call. It is built aside and
 * renamed, so that one which exists is whole, and two callers at once share the first that is ready.
 * @throws UserError without python3, MachineError when uv fails (its last lines say why)
 */
export async function ensureEnvironment(lock: Lock, deps: PythonDeps): Promise<PythonEnvironment> {
  const env = toolEnvironment(deps.env);
  const python = await findPython(env, deps.signal);
  const key = hexOf(digestOfJson({ lock: identityOf(lock), python }), 24);
  const folder = join(deps.folder, key);
  const started = Date.now();
  if (await isThere(folder)) {
    deps.log.info(`environment ${key} (Python ${python.version}) is there already`);
  } else {
    deps.log.info(`environment ${key} (Python ${python.version}) is being made from its lock`);
    await make(folder, lock, python.executable, { ...deps, env });
    deps.log.info(`environment ${key} was made in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
  return { folder, python: python.version };
}

/** A program's variables with an environment's Python in front. */
export function activated(
  variables: Readonly<Record<string, string>>,
  { folder }: PythonEnvironment,
): Record<string, string> {
  return { ...variables, PATH: pathWith(join(folder, 'bin'), variables.PATH), VIRTUAL_ENV: folder };
}

async function findPython(env: Environment, signal: AbortSignal): Promise<z.infer<typeof interpreter>> {
  const { stdout } = await run(['python3', '-I', '-c', ASK], { env, signal }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new UserError('python3 does not run on this machine; install Python 3 and put it on the PATH', {
      cause,
    });
  });
  return interpreter.parse(JSON.parse(stdout.toString()));
}

function identityOf(lock: Lock) {
  if (lock.kind === 'requirements') return { requirements: digestOf(lock.requirements) };
  return { lock: digestOf(lock.lock), project: digestOf(lock.project), groups: lock.groups };
}

/** Also false for one whose interpreter is no longer on the machine. */
async function isThere(folder: string): Promise<boolean> {
  return access(join(folder, 'bin', 'python')).then(
    () => true,
    () => false,
  );
}

async function make(folder: string, lock: Lock, python: string, deps: PythonDeps): Promise<void> {
  const place = aside(folder);
  const made = join(place, 'environment');
  try {
    await mkdir(place, { recursive: true });
    const uv = await deps.uv();
    const call = async (...args: string[]): Promise<void> => {
      const options = { cwd: place, env: deps.env, signal: deps.signal };
      await run([uv, '--quiet', '--no-progress', '--no-python-downloads', ...args], options).catch(
        (cause: unknown) => {
          deps.signal.throwIfAborted();
          throw new MachineError('the environment could not be made from its lock', { cause });
        },
      );
    };
    await call('venv', '--relocatable', '--python', python, made);
    const requirements = join(place, 'requirements.txt');
    if (lock.kind === 'requirements') await writeFile(requirements, lock.requirements);
    else await exportLock(lock, place, (...args) => call(...args, '--python', python, '-o', requirements));
    const strict = ['--require-hashes', '--allow-empty-requirements'];
    await call('pip', 'sync', ...strict, '--python', join(made, 'bin', 'python'), requirements);
    // What has lost its interpreter is no environment any more, and goes with the rest; who races does the same.
    while (!((await renameOntoEmpty(made, folder)) || (await isThere(folder))))
      await rename(folder, join(place, 'lost')).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function exportLock(
  lock: Extract<Lock, { kind: 'uv' }>,
  place: string,
  call: (...args: string[]) => Promise<void>,
): Promise<void> {
  await writeFile(join(place, 'uv.lock'), lock.lock);
  await writeFile(join(place, 'pyproject.toml'), lock.project);
  const groups = lock.groups.flatMap((group) => ['--group', group]);
  const plain = ['--format', 'requirements-txt', '--no-header', '--no-annotate'];
  await call('export', '--frozen', '--no-emit-project', '--no-default-groups', ...groups, ...plain);
}
