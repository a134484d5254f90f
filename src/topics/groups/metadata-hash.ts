/*
 * The hash by which a consumer group knows whether the topics that it reads have changed: over their ids, names and sizes. Stored with the
 * group's epoch, and the same number that Kafka computes, so that a broker that takes a folder over sees no change where there is none.
 * Spec: KIP-1101, as Kafka 4.1 has it.
 */
import { xxh3 } from '../../base/xxh3.ts'

/** What is known of a topic. */
export interface HashedTopic {
  readonly name: string
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly partitions: number
}

/** The hash of topics; 0 for none. */
export function metadataHash(topics: readonly HashedTopic[]): bigint {
  if (topics.length === 0) return 0n
  const hashes = Buffer.alloc(8 * topics.length)
  const inOrder = [...topics].sort((a, b) => (a.name < b.name ? -1 : 1))
  inOrder.forEach((topic, index) => hashes.writeBigUInt64LE(topicHash(topic), 8 * index))
  return BigInt.asIntN(64, xxh3(hashes))
}

/** What is known of a topic is another object when it is something else. */
const known = new WeakMap<HashedTopic, bigint>()

function topicHash(topic: HashedTopic): bigint {
  let hash = known.get(topic)
  if (hash === undefined) known.set(topic, (hash = xxh3(topicBytes(topic))))
  return hash
}

/** Version, the id as two numbers, the name in UTF-16 and its length, and every partition; racks would follow each, and there are none. */
function topicBytes({ name, id, partitions }: HashedTopic): Buffer {
  const bytes = Buffer.alloc(1 + 16 + 2 * name.length + 4 + 4 + 4 * partitions)
  Buffer.from(id.buffer, id.byteOffset, 8).copy(bytes, 1)
  Buffer.from(id.buffer, id.byteOffset + 8, 8).copy(bytes, 9)
  bytes.subarray(1, 17).swap64()
  let at = 17 + bytes.write(name, 17, 'utf16le')
  at = bytes.writeInt32LE(name.length, at)
  at = bytes.writeInt32LE(partitions, at)
  for (let partition = 0; partition < partitions; partition++) at = bytes.writeInt32LE(partition, at)
  return bytes
}
