import { canonicalBytes } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import { program, type TrainerConfig } from '../records/program.ts';
import { type RunConfig, run } from '../records/run.ts';
import type { ResolvedTraining } from '../records/training.ts';
import { findRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { changedFiles, type Placed, sourceOf } from './file-changes.ts';
import { changedPackages } from './package-changes.ts';

/** Of files and packages that changed, people see so many. */
const SHOWN = 5;

/** Why a training differs from the project's last finished one. */
export interface Changes {
  readonly since: Stored<RunConfig>;
  /** For people: `parameter seed 7 → 8`, `source: train.py changed`; never empty. */
  readonly what: readonly string[];
}

/**
 * Compares a training with the newest finished one of the project in the store; undefined when there is none.
 * @param handoff has the new trainer's files
 */
export async function changesSinceLast(
  store: Store,
  handoff: Store,
  trainer: Stored<TrainerConfig>,
  training: ResolvedTraining,
): Promise<Changes | undefined> {
  const last = await lastFinished(store, trainer.config.name);
  if (last === undefined) return undefined;
  const { run: since, trainer: before } = last;
  const same = (a: unknown, b: unknown): boolean => canonicalBytes(a).equals(canonicalBytes(b));
  const both: [Placed, Placed] = [
    { trainer: before, store },
    { trainer, store: handoff },
  ];
  const what = [
    ...differences('parameter', since.config.params, training.params),
    ...differences('data', since.config.data, training.data),
    ...(sourceOf(before)?.digest === sourceOf(trainer)?.digest
      ? []
      : [await detailed('source', changedFiles(...both))]),
    ...(same(before.config.environment, trainer.config.environment)
      ? []
      : [await detailed('environment', changedPackages(...both))]),
    ...(same(before.config.command, trainer.config.command) ? [] : ['command']),
  ];
  return { since, what };
}

/** What a part of the training differs in. The reason is worth no failure: without the files of old, it is the part's name alone. */
async function detailed(part: string, found: Promise<string[]>): Promise<string> {
  const names = await found.catch((): string[] => []);
  if (names.length === 0) return part;
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${part}: ${names.slice(0, SHOWN).join(', ')}${more}`;
}

async function lastFinished(
  store: Store,
  project: string,
): Promise<{ run: Stored<RunConfig>; trainer: Stored<TrainerConfig> } | undefined> {
  let newest: { run: Stored<RunConfig>; trainer: Stored<TrainerConfig> } | undefined;
  for (const digest of new Set((await store.names('training-')).values())) {
    const found = await findRecord(store, run, digest);
    const parent =
      found?.manifest.subject && (await findRecord(store, program, found.manifest.subject.digest));
    if (
      found === undefined ||
      parent === undefined ||
      parent.config.role !== 'trainer' ||
      parent.config.name !== project
    )
      continue;
    if (newest === undefined || endOf(newest.run) < endOf(found))
      newest = { run: found, trainer: { ...parent, config: parent.config } };
  }
  return newest;
}

function endOf({ config }: Stored<RunConfig>): string {
  return config.segments.at(-1)?.endedAt ?? '';
}

function differences(
  what: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const show = (value: unknown): string =>
    value === undefined
      ? 'none'
      : canonicalBytes(value)
          .toString()
          .replace(/^"sha256:(.{12}).*"$/, '$1');
  return names.flatMap((name) => {
    const [old, now] = [show(before[name]), show(after[name])];
    return old === now ? [] : [`${what} ${name} ${old} → ${now}`];
  });
}
