/*
 * Seeds whose lives found something that was wrong, with what it was. They say so only as long as a life does the same things by the same
 * draws: after a change of the simulation they are lives like any other.
 */

/** What some lives found. */
export interface KeptSeeds {
  readonly found: string
  readonly seeds: readonly number[]
}

export const keptSeeds: readonly KeptSeeds[] = []
