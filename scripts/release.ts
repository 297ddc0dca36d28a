/**
 * Tags the commit that is checked out: vX.Y.Z, which must be new, and the major version's tag, which is moved. Uses Node alone,
 * because the job that runs it may write to the repository.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';

const semver = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/** What a release needs to know; `root` is the checkout, `api` the base URL of GitHub's REST API. */
export type Release = {
  version: string;
  commit: string;
  repository: string;
  root: string;
  api: string;
  token: string;
};

/**
 * Checks the version against package.json, src/lib/version.ts and CHANGELOG.md and sets the tags.
 *
 * @returns the names of the tags set; a pre-release (`1.2.3-rc.1`) leaves the major tag where it is
 * @throws with all that is wrong with the version at once, or with GitHub's answer; a version already tagged is refused by GitHub
 */
export async function release(wanted: Release): Promise<string[]> {
  const [, major, , , pre] = await check(wanted);
  const full = `v${wanted.version}`;
  await request(wanted, 'POST', 'git/refs', { ref: `refs/tags/${full}`, sha: wanted.commit });
  if (pre !== undefined) return [full];
  const moved = { sha: wanted.commit, force: true };
  const status = await request(wanted, 'PATCH', `git/refs/tags/v${major}`, moved, [404, 422]);
  if (status !== 200)
    await request(wanted, 'POST', 'git/refs', { ref: `refs/tags/v${major}`, sha: wanted.commit });
  return [full, `v${major}`];
}

async function check({ version, root }: Release): Promise<string[]> {
  const parts = semver.exec(version);
  const packaged: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const code = await readFile(join(root, 'src', 'lib', 'version.ts'), 'utf8');
  const changes = await readFile(join(root, 'CHANGELOG.md'), 'utf8');
  const problems = [
    ...(parts ? [] : [`"${version}" is not a full SemVer version such as 1.2.3`]),
    ...(hasVersion(packaged, version) ? [] : [`package.json: "version" is not ${version}`]),
    ...(code.includes(`VERSION = '${version}'`) ? [] : [`src/lib/version.ts: VERSION is not ${version}`]),
    ...(hasSection(changes, version) ? [] : [`CHANGELOG.md: no section "## ${version}"`]),
  ];
  if (parts === null || problems.length > 0) throw new Error(problems.join('\n'));
  return parts;
}

function hasSection(changes: string, version: string): boolean {
  return changes.split('\n').some((line) => line.split(/\s+/, 2).join(' ') === `## ${version}`);
}

function hasVersion(packaged: unknown, version: string): boolean {
  return (
    typeof packaged === 'object' && packaged !== null && 'version' in packaged && packaged.version === version
  );
}

async function request(
  { api, repository, token }: Release,
  method: string,
  path: string,
  body: object,
  alsoFine: number[] = [],
): Promise<number> {
  const answer = await fetch(`${api}/repos/${repository}/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (answer.ok || alsoFine.includes(answer.status)) return answer.status;
  throw new Error(`${method} ${path}: ${answer.status} ${text}`);
}

if (import.meta.main) {
  const wanted = {
    version: env.VERSION ?? '',
    commit: env.GITHUB_SHA ?? '',
    repository: env.GITHUB_REPOSITORY ?? '',
    root: env.GITHUB_WORKSPACE ?? '.',
    api: env.GITHUB_API_URL ?? '',
    token: env.GITHUB_TOKEN ?? '',
  };
  console.log(`Tagged ${wanted.commit} as ${(await release(wanted)).join(' and ')}`);
}
