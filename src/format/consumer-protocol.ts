/*
 * The bytes that members of a classic group of type `consumer` exchange through the coordinator: what they subscribe to, and what they
 * are given. The coordinator passes them on unread; leaders, assignors and describe read them. Spec: ConsumerProtocolSubscription and
 * ConsumerProtocolAssignment of Kafka's clients.
 */
import { ByteReader, getInt16 } from '../base/bytes.ts'
import { LogError, isLogError } from '../base/errors.ts'
import { encodeVersioned } from './coordinator-records.ts'
import { type Fields } from './field.ts'
import { array, bytes, int32, message, string, type Decoded, type Encodable, type Message, type StructOut } from './schema.ts'

// Version 1 adds ownedPartitions (cooperative rebalancing), 2 generationId, 3 rackId.
const subscription = message('ConsumerProtocolSubscription', { versions: [0, 3] }, {
  topics: array(string()),
  userData: bytes({ nullable: 0, default: null }),
  ownedPartitions: array({ topic: string(), partitions: array(int32()) }, { since: 1, default: [], ignorable: true }),
  generationId: int32({ since: 2, default: -1, ignorable: true }),
  rackId: string({ since: 3, nullable: 3, default: null, ignorable: true }),
})

// Versions 1 to 3 add nothing: they go with those of the subscription.
const assignment = message('ConsumerProtocolAssignment', { versions: [0, 3] }, {
  assignedPartitions: array({ topic: string(), partitions: array(int32()) }),
  userData: bytes({ nullable: 0, default: null }),
})

/** The version that is written unless another is asked for. */
const CONSUMER_PROTOCOL_VERSION = 3

/** What a member subscribes to and owns, as it joins a group. */
export type ConsumerSubscription = Decoded<typeof subscription>

/** What a member is given. */
export type ConsumerAssignment = Decoded<typeof assignment>

/** The bytes of a subscription, with its version in front. Fields that the version lacks are dropped. */
export function encodeSubscription(value: Encodable<typeof subscription>, version = CONSUMER_PROTOCOL_VERSION): Buffer {
  return encodeVersioned(subscription, version, value)
}

/**
 * A subscription from its bytes. As in Kafka a newer version reads as the newest known one. Fields missing at the end read as their
 * defaults: some clients say version 1 and write 0.
 *
 * @throws LogError `LOG_DECODE_FAILED`
 */
export function decodeSubscription(from: Uint8Array): ConsumerSubscription {
  return decodeLeniently(subscription, from)
}

/** The bytes of an assignment, with its version in front. */
export function encodeAssignment(value: Encodable<typeof assignment>, version = CONSUMER_PROTOCOL_VERSION): Buffer {
  return encodeVersioned(assignment, version, value)
}

/**
 * An assignment from its bytes, as lenient as {@link decodeSubscription}. No bytes at all are an assignment of nothing: so the
 * coordinator answers a member that the leader left out.
 *
 * @throws LogError `LOG_DECODE_FAILED`
 */
export function decodeAssignment(from: Uint8Array): ConsumerAssignment {
  return from.length === 0 ? { assignedPartitions: [], userData: null } : decodeLeniently(assignment, from)
}

function decodeLeniently<F extends Fields>(message: Message<F>, from: Uint8Array): StructOut<F> {
  const claimed = from.length < 2 ? -1 : getInt16(from, 0)
  if (claimed < 0) throw new LogError('LOG_DECODE_FAILED', `${message.name}: no version`, { message: message.name })
  const newest = Math.min(claimed, message.last)
  for (let version = newest; version > message.first; version--) {
    const reader = readerBehindVersion(message, from)
    const value = attempt(() => message.at(version).decode(reader))
    // A lower version is believed only when it explains every byte; the claimed one may be followed by what we do not know yet.
    if (value !== undefined && (version === newest || reader.left === 0)) return value
  }
  return message.at(message.first).decode(readerBehindVersion(message, from))
}

function readerBehindVersion({ name }: { readonly name: string }, from: Uint8Array): ByteReader {
  return new ByteReader(from, 2, from.length, 'LOG_DECODE_FAILED', name)
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (!isLogError(error, 'LOG_DECODE_FAILED')) throw error
    return undefined
  }
}
