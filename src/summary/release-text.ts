import { code, plain } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import type { ReleaseConfig } from '../records/release.ts';
import type { Parts } from '../release/parts.ts';
import { figure, short } from './figures.ts';

/** Characters of a value that people see. */
const SHOWN = 120;
const COMMITS = 3;

/** The target of a release on one line. */
export function targetText({ target }: ReleaseConfig): string {
  const { kind, ...rest } = target;
  return `${kind}: ${objectText(rest)}`;
}

/** The Run that made the model, with its commit, its day and its metrics. */
export function modelText({ run, package: packaged, facts }: Parts): string {
  const from = run?.config.commit ? ` of commit ${code(run.config.commit.slice(0, 7))}` : '';
  const day = run?.config.segments.at(-1)?.endedAt.slice(0, 10);
  const subject = packaged.manifest.subject;
  const name = subject === undefined ? 'unknown run' : `run ${code(hexOf(subject.digest, 12))}`;
  const metrics = Object.entries(facts.metrics).map(([metric, value]) => `${plain(metric)} ${figure(value)}`);
  return [`${name}${from}`, day, ...metrics].filter(Boolean).join(', ');
}

/** A value of the configuration; empty for none. */
export function valueText(config: ReleaseConfig['config'], key: string): string {
  const { [key]: value } = config;
  return value === undefined ? '' : cutText(JSON.stringify(value));
}

/** Names of secrets, and where a cluster keeps them. */
export function secretsText({ secrets, secretReferences = {} }: ReleaseConfig): string {
  const kept = Object.entries(secretReferences).map(
    ([name, { secretKeyRef }]) => `${name} (${secretKeyRef.name}/${secretKeyRef.key})`,
  );
  return plain([...secrets, ...kept].join(', '));
}

/** The commits that a release is of. */
export function commitsText({ commits }: Parts): string {
  const more = commits.length > COMMITS ? [`and ${commits.length - COMMITS} more`] : [];
  return [...commits.slice(0, COMMITS).map((id) => code(id.slice(0, 12))), ...more].join(', ');
}

/** The data that its model was trained on. */
export function dataText({ run }: Parts): string {
  const data = Object.entries(run?.config.data ?? {});
  return data.map(([name, digest]) => `${plain(name)} ${short(digest)}`).join(', ');
}

/** A small object on one line. */
export function objectText(value: object | undefined): string {
  const entries = Object.entries(value ?? {}).filter(([, inner]) => inner !== undefined);
  return entries.map(([key, inner]) => `${plain(key)} ${cutText(JSON.stringify(inner))}`).join(', ');
}

function cutText(text: string): string {
  return code(text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`);
}
