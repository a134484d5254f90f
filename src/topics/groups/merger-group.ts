/*
 * The group under which it is kept which dead letters of another group were replayed (consume/dead-letters.ts). It never has members, and
 * what it committed does not age: whoever forgot it would replay the same dead letters again.
 */

const SUFFIX = '-dlq-merger'

/** The name of the group that keeps what was replayed of the dead letters of `groupId`. */
export function mergerOf(groupId: string): string {
  return groupId + SUFFIX
}

/** Whether a group is one that keeps what was replayed. */
export function isMerger(groupId: string): boolean {
  return groupId.endsWith(SUFFIX)
}
