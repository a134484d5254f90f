/*
 * The features of a cluster that clients ask for before they use a newer protocol: transactions whose epoch rises with each end (2 of
 * `transaction.version`), and consumer groups that the broker assigns (1 of `group.version`). Spec: KIP-584, and Kafka 4.1's features.
 */

/** A feature, the levels that are served, and the one that holds. */
export interface Feature {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly level: number
}

/** The features of every cluster. */
export const features: readonly Feature[] = [
  { name: 'group.version', min: 0, max: 1, level: 1 },
  { name: 'metadata.version', min: 7, max: 27, level: 27 },
  { name: 'transaction.version', min: 0, max: 2, level: 2 },
]

/** Counts the changes of the levels; they never change here. */
export const FEATURES_EPOCH = 1
