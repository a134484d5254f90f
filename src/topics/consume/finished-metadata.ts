/*
 * What is finished above a committed offset, as the metadata of a commit: where a log keeps it in a header of its own, a cluster has nothing
 * else to keep it in. A marker before it says what it is, so that no words of a user are taken for it.
 */
import { FINISHED_MARKER, FinishedSet } from './finished-set.ts'

/** The metadata to commit with: what is finished takes its place. */
export function metadataWith(metadata: string | null | undefined, finished: Buffer | undefined): string {
  return finished === undefined ? (metadata ?? '') : FINISHED_MARKER + finished.toString('base64')
}

/** The words of a user in metadata: none where what is finished has taken their place. */
export function wordsIn(metadata: string): string {
  return metadata.startsWith(FINISHED_MARKER) ? '' : metadata
}

/** What is finished above `offset`, as metadata tells it; undefined when it tells nothing of it, or what cannot be read. */
export function finishedIn(metadata: string, offset: number): Buffer | undefined {
  if (!metadata.startsWith(FINISHED_MARKER)) return undefined
  const bytes = Buffer.from(metadata.slice(FINISHED_MARKER.length), 'base64')
  try {
    FinishedSet.decode(offset, bytes)
    return bytes
  } catch {
    // Handled again is better than not at all.
    return undefined
  }
}
