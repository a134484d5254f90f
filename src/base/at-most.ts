/*
 * Work on many things with a bound on how many are under way: each open file or sync that is under way takes a descriptor, and a topic may
 * have thousands of partitions. Knows nothing of what the work is.
 */

/**
 * The outcomes of `work` on each item, in the order of the items, like `Promise.allSettled`: all are tried. At most `most` are under way at
 * a time; the first `most` are begun at once.
 */
export async function settleAtMost<T, R>(most: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<PromiseSettledResult<R>[]> {
  const results = new Array<PromiseSettledResult<R>>(items.length)
  let begun = 0
  const workThrough = async (): Promise<void> => {
    while (begun < items.length) {
      const index = begun++
      const [result] = await Promise.allSettled([work(items[index]!)])
      results[index] = result
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, workThrough))
  return results
}
