/*
 * Seeds whose lives found something that was wrong, with what it was. They say so only as long as a life does the same things by the same
 * draws: after a change of the simulation they are lives like any other.
 */

/** What some lives found. */
export interface KeptSeeds {
  readonly found: string
  readonly seeds: readonly number[]
}

export const keptSeeds: readonly KeptSeeds[] = [
  { found: 'repeated crashes during recovery left a mark that named a segment that was gone', seeds: [1911520703] },
  { found: 'a roll that waited went on behind a close', seeds: [533176172, 1140810383, 1140811350] },
  { found: 'after an interrupted cut into a batch the epoch began at the offset that was asked for', seeds: [389878133] },
  { found: 'half of a list of aborted transactions was left by a power cut, and believed', seeds: [1140812060, 1140815348] },
  { found: 'a sealed segment kept half of an index that a failing disk did not take', seeds: [1140815957, 920989457, 2085641893] },
  { found: 'a batch of a client that nobody waited for was lost, and an append behind it went on', seeds: [734172956] },
  { found: 'a full disk left a new segment empty, and the one that the mark named was deleted', seeds: [1196236810] },
  { found: 'a partition fenced while it closed said nothing of what it had acknowledged and not synced', seeds: [1494224261] },
]
