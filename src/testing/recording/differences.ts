/*
 * What of two answers to one request is not the same: the first place where they part, in words. What is of a broker and not of what it was asked
 * for is passed over: addresses, ids that it gives, times, words of messages, and where replicas lie. Batches are compared record by record.
 */
import { isLogError } from '../../base/errors.ts'
import { batchSize, decodeBatch } from '../../format/batch.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type Decoding } from '../journal/entry.ts'
import { Identities } from './identities.ts'

/** Where two answers part. */
export interface AnswerDifference {
  /** `responses[0].partitions[0].errorCode`. */
  readonly path: string
  /** In words. */
  readonly recorded: string
  readonly now: string
}

/** Fields that say something of the broker alone. */
const passedOver = new Set([
  'throttleTimeMs', 'host', 'port', 'rack', 'clusterId', 'controllerId', 'nodeId', 'brokerId', 'leaderId', 'leaderEpoch', 'currentLeader',
  'offsetEpoch', 'replicaNodes', 'isrNodes', 'offlineReplicas', 'brokers', 'nodeEndpoints', 'errorMessage', 'logAppendTimeMs', 'apiKeys',
  'supportedFeatures', 'finalizedFeatures', 'finalizedFeaturesEpoch', 'zkMigrationReady', 'preferredReadReplica', 'clientHost',
  'committedLeaderEpoch',
])
/** Fields by which rows of a list are told apart: their order is nobody's promise. */
const rowNames = ['name', 'topic', 'partitionIndex', 'index', 'groupId', 'partition', 'transactionalId']
const errorNames: ReadonlyMap<number, string> = new Map(Object.entries(kafkaErrors).map(([name, code]) => [code, name]))

/** The first place where two answers part; undefined when they say the same. `ignore` names further fields. */
export function answerDifference(recorded: Decoding, now: Decoding, ignore: ReadonlySet<string>): AnswerDifference | undefined {
  return differenceAt(recorded, now, { path: '', field: '', ignore })
}

interface Place {
  readonly path: string
  readonly field: string
  readonly ignore: ReadonlySet<string>
}

function differenceAt(recorded: unknown, now: unknown, place: Place): AnswerDifference | undefined {
  const { path, field, ignore } = place
  if (field === 'records' && isBytesOrNull(recorded) && isBytesOrNull(now)) return listDifference(recordsOf(recorded), recordsOf(now), place)
  if (Array.isArray(recorded) && Array.isArray(now)) return listDifference(sorted(recorded), sorted(now), place)
  if (isObject(recorded) && isObject(now)) {
    for (const name of Object.keys(recorded)) {
      if (passedOver.has(name) || ignore.has(name) || Identities.has(name)) continue
      const found = differenceAt(recorded[name], now[name], { path: path === '' ? name : `${path}.${name}`, field: name, ignore })
      if (found !== undefined) return found
    }
    return undefined
  }
  const [one, other] = [words(recorded, field), words(now, field)]
  return one === other ? undefined : { path, recorded: one, now: other }
}

function listDifference(recorded: readonly unknown[], now: readonly unknown[], { path, field, ignore }: Place): AnswerDifference | undefined {
  for (let index = 0; index < Math.min(recorded.length, now.length); index++) {
    const found = differenceAt(recorded[index], now[index], { path: `${path}[${index}]`, field: field === 'records' ? 'record' : field, ignore })
    if (found !== undefined) return found
  }
  if (recorded.length === now.length) return undefined
  return { path, recorded: `a list of ${recorded.length}`, now: `a list of ${now.length}` }
}

/** The records of batches, whatever batches they lie in. */
function recordsOf(bytes: Uint8Array | null): unknown[] {
  const found: unknown[] = []
  try {
    for (let at = 0; bytes !== null && at + 12 < bytes.length && at + batchSize(bytes, at) <= bytes.length; at += batchSize(bytes, at)) {
      const { header, records } = decodeBatch(bytes, at, at + batchSize(bytes, at))
      if (header.control) found.push(...records.map(({ offset }) => ({ offset, control: true })))
      else found.push(...records.map(({ offset, key, value, headers }) => ({ offset, key, value, headers })))
    }
  } catch (error) {
    if (!isLogError(error)) throw error
    found.push({ damaged: error.code })
  }
  return found
}

function sorted(list: readonly unknown[]): readonly unknown[] {
  const nameOf = (row: unknown): string => (isObject(row) ? rowNames.map((name) => String(row[name] ?? '').padStart(10)).join(' ') : '')
  return [...list].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : nameOf(one) > nameOf(other) ? 1 : 0))
}

function words(value: unknown, field: string): string {
  if (value instanceof Uint8Array) return bytesText(Buffer.from(value.buffer, value.byteOffset, value.length))
  if (/^(?:error|.*Error)Code$/.test(field) && typeof value === 'number') return errorNames.get(value) ?? String(value)
  return value === undefined ? 'nothing' : typeof value === 'bigint' ? String(value) : JSON.stringify(value)
}

function bytesText(bytes: Buffer): string {
  const text = bytes.toString()
  const shown = Buffer.from(text).equals(bytes) ? JSON.stringify(text) : `0x${bytes.toString('hex')}`
  return shown.length > 120 ? `${shown.slice(0, 120)}… (${bytes.length} bytes)` : shown
}

function isBytesOrNull(value: unknown): value is Uint8Array | null {
  return value === null || value instanceof Uint8Array
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !Array.isArray(value)
}
