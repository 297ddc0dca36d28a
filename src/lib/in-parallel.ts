import pLimit from 'p-limit';

/**
 * Does work for each item, so many at a time; the results are in the order of the items.
 * @throws what failed first, after all that had begun has ended; nothing is begun after a failure
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const limit = pLimit(atOnce);
  let failure: { readonly error: unknown } | undefined;
  const run = async (item: T): Promise<readonly R[]> => {
    if (failure !== undefined) return [];
    try {
      return [await work(item)];
    } catch (error) {
      failure ??= { error };
      return [];
    }
  };
  const results = await Promise.all(items.map((item) => limit(() => run(item))));
  if (failure !== undefined) throw failure.error;
  return results.flat();
}
