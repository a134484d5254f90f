/*
 * `commitlog tail`: the last records of a topic, and with `--follow` the next ones as they come.
 */
import { type Isolation } from '../log/partition-log.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { type Partition } from '../topics/partition.ts'
import { type StartPosition } from '../topics/start-position.ts'
import { type Call, type Command } from './command.ts'
import { chosenPartitions, chosenTopics, openPlain, plainRecord, type PlainTopic, unknownPartition, withLog } from './records.ts'
import { type CodecNames, recordLine } from './record-line.ts'
import { type PlainRecord, recordJson } from './text.ts'

const LAST = 10

/** The subcommand. */
export const tail: Command = {
  name: 'tail',
  summary: 'the last records of a topic, and the next ones as they come',
  positionals: ['folder', 'topic'],
  options: {
    follow: { short: 'f', help: 'go on with new records until Ctrl-C' },
    lines: { short: 'n', value: 'N', help: `how many of the last records, ${LAST} by default` },
    from: { value: 'WHERE', help: 'instead of the last ones all from an offset, "earliest" or a time (ISO 8601)' },
    partition: { value: 'N', help: 'only the partition of this number' },
    uncommitted: { help: 'also records of transactions that were aborted or are open' },
  },
  run: (call) => withLog(call.argument('folder'), (log) => show(call, log)),
}

async function show(call: Call, log: CommitLog): Promise<number> {
  const name = call.argument('topic')
  const [info] = await chosenTopics(log, name)
  const topic = await openPlain(log, info!)
  const partitions = chosenPartitions(topic, call.number('partition')).map(({ partition }) => partition)
  if (partitions.length === 0) throw unknownPartition(log.folder, call.number('partition')!, { name, count: topic.partitionCount })
  const printer = new Printer(call, info!, Math.max(...partitions))
  const from = call.position('from')
  const starts = new Map(partitions.map((number): [number, StartPosition] => [number, within(topic.partition(number), from ?? 'latest')]))
  if (from === undefined) await printLast(topic, starts, printer, call)
  await printOn(topic, starts, printer, call)
  return 0
}

/** Partitions are of different lengths: an offset outside one means its nearest end. */
function within({ startOffset, highWatermark }: Partition<Uint8Array, Uint8Array>, from: StartPosition): StartPosition {
  return typeof from === 'number' ? Math.min(Math.max(from, startOffset), highWatermark) : from
}

function isolationOf(call: Call): Isolation {
  return call.flag('uncommitted') ? 'read_uncommitted' : 'read_committed'
}

/** Prints the last records of all partitions together, by their time, and moves the starts behind them. */
async function printLast(topic: PlainTopic, starts: Map<number, StartPosition>, printer: Printer, call: Call): Promise<void> {
  const count = call.number('lines') ?? LAST
  const last: PlainRecord[] = []
  for (const number of starts.keys()) {
    const partition = topic.partition(number)
    const end = call.flag('uncommitted') ? partition.highWatermark : partition.lastStableOffset
    starts.set(number, end)
    last.push(...lastOf(partition, count, { end, isolation: isolationOf(call) }))
  }
  last.sort((one, other) => one.timestamp - other.timestamp || one.partition - other.partition || one.offset - other.offset)
  for (const record of count === 0 ? [] : last.slice(-count)) await printer.print(record)
  await printer.flush()
}

/** The last records of a partition below `end`: offsets may be missing, so it looks ever further back. */
function lastOf(
  partition: Partition<Uint8Array, Uint8Array>, count: number, { end, isolation }: { readonly end: number; readonly isolation: Isolation },
): PlainRecord[] {
  const { startOffset } = partition
  for (let reach = count; ; reach *= 4) {
    const from = Math.max(startOffset, end - reach)
    const found: PlainRecord[] = []
    for (const record of partition.read({ from, to: end, isolation })) {
      found.push(plainRecord(record.detach()))
      if (found.length > count) found.shift()
    }
    if (found.length === count || from === startOffset) return found
  }
}

/** Prints from the starts on: to the end, or until the user has seen enough. */
async function printOn(topic: PlainTopic, starts: ReadonlyMap<number, StartPosition>, printer: Printer, call: Call): Promise<void> {
  const follow = call.flag('follow')
  const { signal } = call.terminal
  const stopAsking = follow ? call.screen.askForReader() : (): void => {}
  const consumer = topic.consumer({
    from: starts, partitions: [...starts.keys()], isolation: isolationOf(call), ...(follow ? {} : { until: 'end' as const }),
    signal: AbortSignal.any([signal, call.screen.gone]),
  })
  try {
    for await (const records of consumer.batches()) {
      for (const record of records) await printer.print(plainRecord(record))
      await printer.flush()
    }
  } catch (error) {
    // Ctrl-C is how following ends.
    if (!(follow && signal.aborted && error === signal.reason)) throw error
  } finally {
    stopAsking()
    await consumer.close()
  }
}

/** Prints records as JSON or for people, with their partition when there are several. */
class Printer {
  readonly #call: Call
  readonly #codecs: CodecNames
  readonly #width: number

  constructor(call: Call, codecs: CodecNames, largestPartition: number) {
    this.#call = call
    this.#codecs = codecs
    this.#width = String(largestPartition).length
  }

  print(record: PlainRecord): Promise<void> | undefined {
    const { screen } = this.#call
    if (this.#call.json) return screen.print(recordJson(record, !this.#call.flag('uncommitted')))
    const place = `${String(record.partition).padStart(this.#width)}@${String(record.offset).padEnd(6)}`
    return screen.print(recordLine(screen, place, record, this.#codecs))
  }

  flush(): Promise<void> | undefined {
    return this.#call.screen.flush()
  }
}
