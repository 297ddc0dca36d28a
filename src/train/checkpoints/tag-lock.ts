import { setTimeout as sleep } from 'node:timers/promises';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { canonicalBytes } from '../../lib/json.ts';
import { type Beats, livesHere, lockToken, type SharedLock, type Waiting } from '../../lib/shared-lock.ts';
import { EMPTY, EMPTY_LAYER, IMAGE_MANIFEST, manifestOf } from '../../records/oci.ts';
import type { Store } from '../../store/store.ts';

/** Each beat is a small manifest, so there are few. */
const TAG_BEATS: Beats = { everyMs: 60_000, patienceMs: 300_000 };
/** Two that write at the same moment both look again after it; the tag is the later one's. */
const CONTEST_MS = 3000;
const HOLDER = 'io.trainyard.lock.holder';
const BEAT = 'io.trainyard.lock.beat';

/**
 * Takes a training's lock in a registry: a tag whose manifest names the holder. A registry has no compare-and-swap: two that begin within
 * the time that one write takes to be seen could both believe they have it. Then both train, which costs time and no result:
 * their checkpoints have names of their own, and so have their Runs.
 * @throws the reason of `signal`
 */
export async function takeTagLock(
  store: Store,
  trainingId: Digest,
  { signal, onWait, beats = TAG_BEATS }: Waiting,
  contestMs = CONTEST_MS,
): Promise<SharedLock> {
  const tag = `lock-${hexOf(trainingId, 16)}`;
  const token = await lockToken();
  let seen: { readonly digest: Digest; readonly at: number } | undefined;
  for (;;) {
    signal.throwIfAborted();
    const found = await store.resolve(tag);
    if (seen?.digest !== found) seen = found && { digest: found, at: performance.now() };
    const holder = found === undefined ? '' : await holderIn(store, found);
    const isSilent = seen !== undefined && performance.now() - seen.at > beats.patienceMs;
    if (['', token].includes(holder) || isSilent || (await livesHere(holder)) === false) {
      const mine = await write(store, tag, token, 0);
      await sleep(contestMs, undefined, { signal }).catch(() => {});
      if ((await store.resolve(tag)) === mine) return hold(store, tag, token, mine, beats);
    } else {
      onWait(holder);
      await sleep(Math.min(5000, beats.everyMs), undefined, { signal }).catch(() => {});
    }
  }
}

function hold(store: Store, tag: string, token: string, first: Digest, { everyMs }: Beats): SharedLock {
  let current = first;
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> = Promise.resolve();
  const lost = new Promise<never>((_, reject) => {
    const beat = async (): Promise<void> => {
      // A registry that is down for a while takes nobody's lock.
      if (await isTaken(store, tag, token, current).catch(() => false)) {
        clearInterval(timer);
        reject(
          new MachineError(
            `another machine took the lock ${tag} in ${store.location}, because this one showed no sign of life`,
          ),
        );
        return;
      }
      const before = current;
      current = await write(store, tag, token, ++count).catch(() => before);
      if (current !== before) await store.remove?.(new Set([before])).catch(() => {});
    };
    timer = setInterval(() => {
      beating = beating.then(beat);
    }, everyMs);
    timer.unref();
  });
  lost.catch(() => {});
  return {
    lost,
    release: async () => {
      clearInterval(timer);
      await beating;
      if (await isTaken(store, tag, token, current)) return;
      const free = await write(store, tag, '', 0);
      // Not every registry lets its tags be removed; an empty holder says as much.
      await store.remove?.(new Set([free, current])).catch(() => {});
    },
  };
}

async function write(store: Store, tag: string, holder: string, count: number): Promise<Digest> {
  await store.write({ bytes: EMPTY });
  const manifest = {
    schemaVersion: 2,
    mediaType: IMAGE_MANIFEST,
    artifactType: 'application/vnd.trainyard.lock.v1',
    config: EMPTY_LAYER,
    layers: [EMPTY_LAYER],
    annotations: { [HOLDER]: holder, [BEAT]: String(count) },
  };
  return store.put(canonicalBytes(manifest), [tag]);
}

/**
 * Whether another one holds the lock. Nobody does where no tag is found, as when it was cleaned up or may not be read for a while; and a
 * manifest of ours that is not the last one known is a beat whose answer was lost, or one that a replica still has.
 */
async function isTaken(store: Store, tag: string, token: string, current: Digest): Promise<boolean> {
  const found = await store.resolve(tag);
  if (found === undefined || found === current) return false;
  return !['', token].includes(await holderIn(store, found));
}

async function holderIn(store: Store, digest: Digest): Promise<string> {
  const bytes = await store.get(digest);
  return (bytes && manifestOf(bytes, store.location).annotations?.[HOLDER]) ?? '';
}
