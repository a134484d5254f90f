/*
 * `commitlog dump`: everything that a log, a partition or a single file holds.
 *
 * As JSON it reads records as a consumer does, in the form of docs/cli.md#records-as-json. For people it shows the files as they are, batch
 * by batch, damage included (dump-batches.ts), or a file of another kind (dump-file.ts).
 */
import { basename } from 'node:path'
import { parseFileName } from '../format/names.ts'
import { type Partition } from '../topics/partition.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { dumpPartitions, dumpSegment, rangeOf } from './dump-batches.ts'
import { dumpFile } from './dump-file.ts'
import { type ChosenPartitions, chosenPartitions, chosenTopics, openPlain, plainRecord, unknownPartition, withLog } from './records.ts'
import { findTarget } from './target.ts'
import { recordJson } from './text.ts'

/** The subcommand. */
export const dump: Command = {
  name: 'dump',
  summary: 'everything that a log, a partition or a file holds',
  positionals: ['folder or file'],
  options: {
    topic: { value: 'NAME', help: 'only this topic' },
    partition: { value: 'N', help: 'only the partition of this number' },
    from: { value: 'OFFSET', help: 'from this offset on' },
    to: { value: 'OFFSET', help: 'up to this offset, exclusive' },
    batches: { help: 'without the records in the batches' },
  },
  notes: [
    'Shows the batches of each segment with the records in them, whatever state the files are in. A file may be a segment, an',
    'index, a snapshot, a checkpoint, a mark or commitlog.json. With --json a folder gives its records, a line for each, keys',
    'and values in base64; readCommitted says whether a reader of committed records gets it. A file gives what is in it.',
    'With --from or --to only records of these offsets are shown, and the batches that hold some of them.',
  ],
  async run(call) {
    rangeOf(call)
    const target = findTarget(call.argument('folder or file'))
    if ('file' in target) return parseFileName(basename(target.file))?.kind === 'log' ? dumpSegment(call, target.file) : dumpFile(call, target.file)
    const chosen = { topic: target.topic ?? call.text('topic'), partition: target.partition ?? call.number('partition') }
    if (!call.json) return dumpPartitions(call, target.folder, chosen)
    if (call.flag('batches')) throw new UsageError('--batches does not go with --json, which gives records')
    return dumpRecords(call, target.folder, chosen)
  },
}

async function dumpRecords(call: Call, folder: string, chosen: ChosenPartitions): Promise<number> {
  return withLog(folder, async (log) => {
    let found = 0
    for (const info of await chosenTopics(log, chosen.topic)) {
      const partitions = chosenPartitions(await openPlain(log, info), chosen.partition)
      for (const partition of partitions) await dumpPartition(call, partition)
      found += partitions.length
      if (partitions.length === 0 && chosen.topic !== undefined) {
        throw unknownPartition(folder, chosen.partition!, { name: info.name, count: info.partitions })
      }
    }
    if (found === 0 && chosen.partition !== undefined) throw unknownPartition(folder, chosen.partition)
    return 0
  })
}

async function dumpPartition(call: Call, partition: Partition<Uint8Array, Uint8Array>): Promise<void> {
  const { startOffset, highWatermark } = partition
  const range = rangeOf(call)
  const from = Math.min(Math.max(range.from, startOffset), highWatermark)
  const committed = partition.read({ from: Math.min(from, partition.lastStableOffset), isolation: 'read_committed' })
  let next = committed.next()
  for (const record of partition.read({ from, isolation: 'read_uncommitted' })) {
    if (record.offset >= range.to) break
    while (next.done !== true && next.value.offset < record.offset) next = committed.next()
    const readCommitted = next.done !== true && next.value.offset === record.offset
    const wait = call.screen.print(recordJson(plainRecord(record), readCommitted))
    if (wait !== undefined) await wait
    call.terminal.signal.throwIfAborted()
  }
}
