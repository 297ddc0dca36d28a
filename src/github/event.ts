import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';

/** Events whose code somebody with write access to the repository has accepted. */
const TRUSTED = ['push', 'schedule', 'workflow_dispatch', 'repository_dispatch', 'merge_group', 'release'];

const repository = z.object({ full_name: z.string() });
const pullRequest = z.object({
  repository,
  pull_request: z.object({ head: z.object({ repo: repository.nullable() }) }),
});

/**
 * Refuses to train for an event that strangers can cause: what they send would run on the training machine, which keeps
 * its data and outlives the job. No event means a run outside GitHub.
 * @param name GITHUB_EVENT_NAME
 * @param payload the content of the file GITHUB_EVENT_PATH
 * @throws UserError that names the event and what to do
 */
export function checkEvent(name: string | undefined, payload: unknown): void {
  if (name === undefined || name === '' || TRUSTED.includes(name)) return;
  if (name !== 'pull_request') {
    throw new UserError(
      `the event ${JSON.stringify(name)} may not train: anybody can cause it, and its code would run on the training machine. Train on: ${TRUSTED.join(', ')}, or pull_request of the same repository`,
    );
  }
  const parsed = pullRequest.safeParse(payload);
  const own = parsed.data?.repository.full_name;
  const head = parsed.data?.pull_request.head.repo?.full_name;
  if (own !== undefined && head === own) return;
  throw new UserError(
    `this pull request comes from ${head === undefined ? 'a repository that cannot be told' : `the fork ${head}`}, and the event pull_request may train only for a branch of the same repository. Review it, push it to a branch of ${own ?? 'the repository'}, and train there`,
  );
}

/** The payload of the event that started the job; undefined when there is none that can be read. */
export async function readPayload(path: string | undefined): Promise<unknown> {
  if (path === undefined) return undefined;
  return tryJson(await readFile(path, 'utf8').catch(() => ''));
}
