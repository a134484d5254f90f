/*
 * The headers that a dead letter carries beside its own: where the record came from, who gave it up and why. Names and texts as Kafka 4.4
 * writes them for share groups (KIP-1191), and some of ours that begin likewise. A dead letter that another system wrote (Connect, Streams)
 * is understood as far as its headers go.
 *
 * All values are UTF-8 text. A header that cannot be read is taken as missing: a dead letter is never refused for what is said of it.
 */
import { type RecordHeaders } from '../../log/record.ts'

const PREFIX = '__dlq.errors.'

/** Where in the life of a record it failed: its bytes could not be decoded, or its handler gave up. */
export type DeadLetterStage = 'decode' | 'handle'

/** What is told of a record that was put aside. Undefined for what its headers do not say. */
export interface DeadLetterInfo {
  /** Where the record came from. */
  readonly topic: string | undefined
  readonly partition: number | undefined
  readonly offset: number | undefined
  /** Who gave it up. */
  readonly group: string | undefined
  /** How often it was tried. */
  readonly deliveryCount: number | undefined
  /** The message of the last error. */
  readonly message: string | undefined
  /** When it was put aside, ms since 1970. */
  readonly timestamp: number | undefined
  /** Name of the class of the last error. */
  readonly errorClass: string | undefined
  readonly stack: string | undefined
  readonly stage: DeadLetterStage | undefined
}

/** What is known when a record is put aside. */
export interface DeadLetterCause {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly group: string
  readonly deliveryCount: number
  readonly error: unknown
  readonly stage: DeadLetterStage
  readonly timestamp: number
}

/** No stack is longer: a dead letter must not be refused for its size. */
const MOST_STACK_CHARACTERS = 4000
const MOST_MESSAGE_CHARACTERS = 1000

type WritableHeaders = (readonly [name: string, value: Uint8Array | string | null])[]

/** The headers of the record, without those of an earlier death, and those that tell of this one. */
export function deadLetterHeaders(headers: RecordHeaders, cause: DeadLetterCause): WritableHeaders {
  const { topic, partition, offset, group, deliveryCount, error, stage, timestamp } = cause
  const { name, message, stack } = described(error)
  const own: WritableHeaders = [
    ['topic', topic], ['partition', String(partition)], ['offset', String(offset)], ['group', group],
    ['delivery.count', String(deliveryCount)], ['message', message.slice(0, MOST_MESSAGE_CHARACTERS)], ['timestamp', String(timestamp)],
    ['exception.class.name', name], ['stage', stage],
  ]
  if (stack !== undefined) own.push(['exception.stacktrace', stack.slice(0, MOST_STACK_CHARACTERS)])
  return [...headersWithout(headers, PREFIX), ...own.map(([part, value]) => [PREFIX + part, value] as const)]
}

/** The headers that the record had before it was put aside. */
export function originalHeaders(headers: RecordHeaders): WritableHeaders {
  return headersWithout(headers, PREFIX)
}

/** What the headers of a dead letter say: Kafka's and ours, else those of Connect, else those of Streams. */
export function readDeadLetter(headers: RecordHeaders): DeadLetterInfo {
  const text = (...names: readonly string[]): string | undefined => {
    for (const name of names) {
      const value = headers.findLast(([one]) => one === name)?.[1]
      if (value !== undefined && value !== null) return value.toString()
    }
    return undefined
  }
  const number = (...names: readonly string[]): number | undefined => {
    const value = text(...names)
    return value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : undefined
  }
  const stage = text(`${PREFIX}stage`)
  return {
    topic: text(`${PREFIX}topic`, '__connect.errors.topic', '__streams.errors.topic'),
    partition: number(`${PREFIX}partition`, '__connect.errors.partition', '__streams.errors.partition'),
    offset: number(`${PREFIX}offset`, '__connect.errors.offset', '__streams.errors.offset'),
    group: text(`${PREFIX}group`),
    deliveryCount: number(`${PREFIX}delivery.count`),
    message: text(`${PREFIX}message`, '__connect.errors.exception.message', '__streams.errors.message'),
    timestamp: number(`${PREFIX}timestamp`),
    errorClass: text(`${PREFIX}exception.class.name`, '__connect.errors.exception.class.name', '__streams.errors.exception'),
    stack: text(`${PREFIX}exception.stacktrace`, '__connect.errors.exception.stacktrace', '__streams.errors.stacktrace'),
    stage: stage === 'decode' || stage === 'handle' ? stage : undefined,
  }
}

function headersWithout(headers: RecordHeaders, prefix: string): WritableHeaders {
  return headers.filter(([name]) => !name.startsWith(prefix))
}

/** What there is to say of anything that can be thrown. */
function described(error: unknown): { readonly name: string; readonly message: string; readonly stack: string | undefined } {
  try {
    if (error instanceof Error) return { name: String(error.name), message: String(error.message), stack: textOr(error.stack) }
    return { name: typeof error, message: String(error), stack: undefined }
  } catch {
    return { name: 'unknown', message: 'an error that cannot be described', stack: undefined }
  }
}

function textOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
