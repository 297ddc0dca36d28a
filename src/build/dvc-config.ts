import { posix } from 'node:path';
import { UserError } from '../lib/errors.ts';
import type { DataReference } from '../records/program.ts';
import type { Commit } from '../source/commit.ts';
import { tellsSecret } from '../source/data.ts';

type Remote = NonNullable<Extract<DataReference, { dvc: string }>['remote']>;

/** Options that are secrets, or name one; they belong to the machine that fetches. */
const SECRET = /pass|secret|token|key|credential|connection_string/i;

/**
 * The remote that an out names, or the default one, as the nearest `.dvc/config` above says it; undefined when none is named.
 * @throws UserError when the configuration lacks it, or has a secret in one of its URLs
 */
export async function remoteOf(
  commit: Commit,
  folder: string,
  wanted: string | undefined,
): Promise<Remote | undefined> {
  const path = posix.join(folder, '.dvc/config');
  const file = commit.files.get(path);
  if (file === undefined) return folder === '.' ? undefined : remoteOf(commit, posix.dirname(folder), wanted);
  const [bytes = Buffer.alloc(0)] = await commit.read([file]);
  const sections = parseConfig(bytes.toString('utf8'));
  const name = wanted ?? sections.get('core')?.get('remote');
  if (name === undefined) return undefined;
  const options = sections.get(`remote "${name}"`);
  if (options === undefined) throw new UserError(`${path} has no remote ${name}`);
  const kept = [...options].filter(([key]) => !SECRET.test(key));
  const secret = kept.find(([, value]) => hasSecret(value));
  if (secret !== undefined)
    throw new UserError(
      `the ${secret[0]} of the remote ${name} in ${path} has a password, token or signature in it, and records are for everyone; put it into the configuration of the runner machine: dvc remote modify --global ${name} password …`,
    );
  return { name, options: Object.fromEntries(kept) };
}

/** Of other schemes than http, such as ssh, the name of a user alone is none. */
function hasSecret(value: string): boolean {
  if (/^[\w+.-]+:\/\/[^/@]*:[^/@]*@/.test(value)) return true;
  return /^https?:/i.test(value) && URL.canParse(value) && tellsSecret(new URL(value));
}

/** Sections of an INI file as DVC writes it, each with its values by key. */
function parseConfig(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[\s*(['"]?)(.+?)\1\s*\]\s*$/.exec(line)?.[2];
    const [, key, value = ''] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (head !== undefined) {
      section = new Map();
      sections.set(head, section);
    } else if (key !== undefined) section.set(key, value.replace(/^(['"])(.*)\1$/, '$2'));
  }
  return sections;
}
