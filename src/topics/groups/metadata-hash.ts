/*
 * The hash by which a consumer group knows whether the topics that it reads have changed: over their ids, names and sizes. Stored with the
 * group's epoch, and the same number that Kafka computes, so that a broker that takes a folder over sees no change where there is none.
 * Spec: KIP-1101; XXH64 with seed 0.
 */
import { type BytesHash64 } from '../../base/hash.ts'

/** What is known of a topic. */
export interface HashedTopic {
  readonly name: string
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly partitions: number
}

const MULTIPLIER = 37

/** The hash of topics; 0 for none. */
export function metadataHash(hash: BytesHash64, topics: readonly HashedTopic[]): bigint {
  if (topics.length === 0) return 0n
  const combined = Buffer.alloc(8)
  const one = Buffer.alloc(8)
  for (const topic of [...topics].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    one.writeBigUInt64LE(hash(topicBytes(topic)))
    for (let index = 0; index < 8; index++) combined[index] = (Math.imul(combined[index]!, MULTIPLIER) ^ one[index]!) & 0xff
  }
  return BigInt.asIntN(64, hash(combined))
}

/** Magic, the id's hash code as Java has it, the name, and every partition with the racks of its replicas: none here. */
function topicBytes({ name, id, partitions }: HashedTopic): Buffer {
  const text = Buffer.from(name)
  const bytes = Buffer.alloc(1 + 8 + 2 + text.length + 4 + partitions * 6)
  bytes.writeBigInt64BE(BigInt(javaHashCode(id)), 1)
  bytes.writeUInt16BE(text.length, 9)
  text.copy(bytes, 11)
  let at = bytes.writeInt32BE(partitions, 11 + text.length)
  for (let partition = 0; partition < partitions; partition++) at = bytes.writeUInt16BE(0, bytes.writeInt32BE(partition, at))
  return bytes
}

function javaHashCode(id: Uint8Array): number {
  const view = new DataView(id.buffer, id.byteOffset, id.byteLength)
  return view.getInt32(0) ^ view.getInt32(4) ^ view.getInt32(8) ^ view.getInt32(12)
}
