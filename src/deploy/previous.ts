import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { type Event, findPrevious, lastServed, newestReleases } from '../records/history.ts';
import type { Site } from './site.ts';

/**
 * What was live before the current release first went live.
 * @param current what serves now, if anything is known to
 * @throws UserError when there is none
 */
export function previousOf(
  { name, environment, location }: Site,
  history: readonly Event[],
  current = lastServed(history),
): Digest {
  const before = findPrevious(history, current);
  if (before !== undefined) return before;
  if (current === undefined)
    throw new UserError(
      `nothing was ever deployed here as ${name} to ${environment}, so there is no previous release. Check name and environment, and that this is the machine: its history is in ${location}`,
    );
  const later = newestReleases(history, 3).filter((release) => release !== current);
  const others = later.length === 0 ? '' : `; live after it were ${later.join(', ')}`;
  throw new UserError(
    `${current} is the first release that was live here, so there is no previous one; give the digest of a release${others}`,
  );
}
