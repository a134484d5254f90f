/*
 * Sending records to a topic of a cluster: chooses partitions, hands the records to a sender, and tells where they went.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { checkInteger } from '../base/options.ts'
import { type Random } from '../base/random.ts'
import { checkTimestamp } from '../log/append-checks.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { type WaitOptions, signalOf, unlessAborted } from '../topics/abort.ts'
import { type PortableSendRecord, type PortableSendResult } from '../topics/contract.ts'
import { refuseRecord } from '../topics/partition.ts'
import { PartitionChooser, type Partitioner } from '../topics/partitioner.ts'
import { type Placed, type Sender } from './sender.ts'

/** A size for values of which nothing is known before they are encoded. */
const USUAL_VALUE_BYTES = 128

/** Where records go. */
export interface SendTarget<K, V> {
  readonly name: string
  readonly partitionCount: number
  readonly maxMessageBytes: number
  readonly codecs: RecordCodecs<K, V>
}

/** What chooses and stamps. */
export interface SendTools<K, V> {
  readonly target: SendTarget<K, V>
  readonly chooser: PartitionChooser<K, V>
  readonly now: () => number
}

/** A chooser of partitions for one producer of a topic. */
export function chooserFor<K, V>(
  target: SendTarget<K, V>, options: { readonly partitioner?: Partitioner<K, V> | undefined; readonly random: Random; readonly batchSize: number },
): PartitionChooser<K, V> {
  const { partitioner: custom, random, batchSize } = options
  return new PartitionChooser(target.codecs.key, { custom, random, batchSize })
}

/**
 * Sends one record or several.
 *
 * @throws LogError `LOG_SEND_FAILED` with a result or an error for each of several; of one what it failed with
 */
export async function sendInput<K, V>(
  sender: Sender, tools: SendTools<K, V>, input: PortableSendRecord<K, V> | readonly PortableSendRecord<K, V>[],
  options: WaitOptions | undefined, lingerMs?: number,
): Promise<PortableSendResult | PortableSendResult[]> {
  const signal = options === undefined ? undefined : signalOf(options, 'send')
  if (!Array.isArray(input)) {
    const sent = place(sender, tools, input as PortableSendRecord<K, V>, tools.now())
    sender.schedule(lingerMs)
    return unlessAborted(resultOf(sent), signal)
  }
  const now = tools.now()
  const outcomes = input.map((record: PortableSendRecord<K, V>) => {
    try {
      return place(sender, tools, record, now)
    } catch (error) {
      return { error }
    }
  })
  sender.schedule(lingerMs)
  return unlessAborted(resultsOf(outcomes), signal)
}

/** A record that was handed to the sender. */
interface Sent extends Placed {
  readonly partition: number
  readonly timestamp: number
}

function place<K, V>(sender: Sender, { target, chooser }: SendTools<K, V>, record: PortableSendRecord<K, V>, now: number): Sent {
  if (record === null || typeof record !== 'object' || record.value === undefined) refuseRecord(record, true)
  const { name, partitionCount, maxMessageBytes, codecs } = target
  const partition = record.partition ?? chooser.choose(record, partitionCount)
  checkInteger(partition ?? null, 'partition', 0)
  if (partition >= partitionCount) throw new RangeError(`there is no partition ${partition}: topic "${name}" has ${partitionCount}`)
  const timestamp = record.timestamp === undefined ? now : checkTimestamp(record.timestamp)
  const stamped = record.timestamp === undefined ? { ...record, timestamp } : record
  const { batch, index } = sender.add({ topic: name, partition, limit: maxMessageBytes }, codecs, stamped)
  if (record.key === undefined || record.key === null) chooser.took(roughSize(record.value))
  return { batch, index, partition, timestamp }
}

async function resultOf({ batch, index, partition, timestamp }: Sent): Promise<PortableSendResult> {
  const { baseOffset, appendTime } = await batch.stored
  return { partition, offset: offsetIn(baseOffset, index), timestamp: appendTime ?? timestamp }
}

async function resultsOf(outcomes: readonly (Sent | { readonly error: unknown })[]): Promise<PortableSendResult[]> {
  // Of the batches, and not of each record: those of one batch fare alike.
  const batches = new Set(outcomes.flatMap((outcome) => ('error' in outcome ? [] : [outcome.batch])))
  const failures = new Map<unknown, unknown>()
  const stored = new Map<unknown, { readonly baseOffset: number; readonly appendTime: number | undefined }>()
  await Promise.all([...batches].map((batch) => (
    batch.stored.then((at) => void stored.set(batch, at), (error: unknown) => void failures.set(batch, error))
  )))
  const results = outcomes.map((outcome) => {
    if ('error' in outcome) return outcome
    const at = stored.get(outcome.batch)
    if (at === undefined) return { error: failures.get(outcome.batch) }
    return { partition: outcome.partition, offset: offsetIn(at.baseOffset, outcome.index), timestamp: at.appendTime ?? outcome.timestamp }
  })
  const failed = results.filter((result) => 'error' in result)
  if (failed.length === 0) return results as PortableSendResult[]
  const { error } = failed[0]!
  const told = results.map((result) => ('error' in result ? result.error : result))
  const message = `${failed.length} of ${results.length} records were not stored: ${error instanceof Error ? error.message : String(error)}`
  throw new LogError('LOG_SEND_FAILED', message, { results: told }, error, failed.every((one) => isLogError(one.error) && one.error.retriable))
}

/** Of a batch whose place is not known nobody knows any place. */
function offsetIn(baseOffset: number, index: number): number {
  return baseOffset === -1 ? -1 : baseOffset + index
}

function roughSize(value: unknown): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : USUAL_VALUE_BYTES
}
