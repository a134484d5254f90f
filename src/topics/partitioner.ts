/*
 * Which partition a record goes to, as Kafka's producers choose: the one it names; else what a custom partitioner says; else by the
 * murmur2 hash of the key's bytes, the same from every client in every language; else, without a key, a random one that is kept for
 * about a batch, so that batches fill up instead of being spread thin (KIP-794; kafka-log-format 9.1 and 9.2).
 */
import { ByteWriter } from '../base/bytes.ts'
import { type Codec } from '../base/codec.ts'
import { murmur2, toPositive } from '../base/murmur2.ts'
import { describe } from '../base/options.ts'
import { type Random } from '../base/random.ts'
import { type RecordInput } from '../log/record-input.ts'

/** Chooses a partition, 0 to `partitions − 1`, for a record that names none. */
export type Partitioner<K, V> = (record: RecordInput<K, V>, partitions: number) => number

/** Keys larger than this are not worth keeping memory for. */
const SCRATCH_BYTES = 64 * 1024

let scratch = new ByteWriter(Buffer.allocUnsafeSlow(256))

/** The partition that Kafka's clients choose for this key. */
export function partitionOfKey<K>(codec: Codec<K>, key: K, partitions: number): number {
  const writer = scratch
  writer.at = 0
  codec.encode(key, writer)
  const hash = murmur2(writer.buffer, 0, writer.at)
  if (writer.buffer.length > SCRATCH_BYTES) scratch = new ByteWriter(Buffer.allocUnsafeSlow(256))
  return toPositive(hash) % partitions
}

/** Chooses partitions for one producer. */
export class PartitionChooser<K, V> {
  private readonly codec: Codec<K>
  private readonly custom: Partitioner<K, V> | undefined
  private readonly random: Random
  private readonly batchSize: number
  // Where records without a key go at the moment, and how many bytes went there since it was drawn.
  private sticky = -1
  private stickyBytes = 0

  /** @param batchSize  bytes after which another partition is drawn for records without a key */
  constructor(codec: Codec<K>, options: { readonly custom: Partitioner<K, V> | undefined; readonly random: Random; readonly batchSize: number }) {
    this.codec = codec
    this.custom = options.custom
    this.random = options.random
    this.batchSize = options.batchSize
  }

  /**
   * The partition for a record that names none.
   *
   * @throws RangeError when the custom partitioner gives a number that is none of the partitions
   */
  choose(record: RecordInput<K, V>, partitions: number): number {
    if (this.custom !== undefined) return checked(this.custom(record, partitions), partitions)
    if (partitions === 1) return 0
    const { key } = record
    if (key !== undefined && key !== null) return partitionOfKey(this.codec, key, partitions)
    if (this.sticky === -1 || this.sticky >= partitions || this.stickyBytes >= this.batchSize) this.draw(partitions)
    return this.sticky
  }

  /** Notes that a record without a key took so many bytes. */
  took(bytes: number): void {
    this.stickyBytes += bytes
  }

  /** Any partition, the last one too, as Kafka does. */
  private draw(partitions: number): void {
    this.sticky = this.random.int(partitions)
    this.stickyBytes = 0
  }
}

function checked(partition: unknown, partitions: number): number {
  if (Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) < partitions) return partition as number
  throw new RangeError(`the partitioner gave ${describe(partition)}: give an integer from 0 to ${partitions - 1}`)
}
