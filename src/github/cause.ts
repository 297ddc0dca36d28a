import { userInfo } from 'node:os';
import type { Environment } from '../lib/environment.ts';

/** Who started a step, and why. */
export interface Cause {
  /** GitHub's login, or the machine's user. */
  readonly actor: string;
  /** GitHub's event, or `terminal`. */
  readonly event: string;
  /** The page of the workflow run. */
  readonly url?: string;
}

/** Who started this step, and why: by the job's own variables, or the machine's user at a terminal. */
export function causeOf(env: Environment): Cause {
  const { GITHUB_EVENT_NAME: event, GITHUB_TRIGGERING_ACTOR, GITHUB_ACTOR } = env;
  if (!event) return { actor: userName(), event: 'terminal' };
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT } = env;
  const isKnown = GITHUB_SERVER_URL && GITHUB_REPOSITORY && GITHUB_RUN_ID;
  const attempt = GITHUB_RUN_ATTEMPT === undefined ? '' : `/attempts/${GITHUB_RUN_ATTEMPT}`;
  return {
    actor: GITHUB_TRIGGERING_ACTOR || GITHUB_ACTOR || 'unknown',
    event,
    ...(isKnown && {
      url: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}${attempt}`,
    }),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number without a name.
    return `user ${process.getuid?.() ?? ''}`.trim();
  }
}
