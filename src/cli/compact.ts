/*
 * `commitlog compact`: compacts the compacted topics of a log now, and says what that gave.
 */
import { type CompactReport } from '../topics/cleaning.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { type Partition } from '../topics/partition.ts'
import { type Call, type Command } from './command.ts'
import { chosenTopics, openPlain } from './records.ts'
import { printTable } from './table.ts'
import { count, counted, jsonLine, size } from './text.ts'

/** The subcommand. */
export const compact: Command = {
  name: 'compact',
  summary: 'leaves of each key of compacted topics the last record, now',
  positionals: ['folder'],
  options: {
    topic: { value: 'NAME', help: 'only this topic; by default all whose cleanup policy has "compact" in it' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  notes: [
    'Offsets and order never change. Records younger than min.compaction.lag.ms stay, and those of open transactions; tombstones stay for',
    'delete.retention.ms. The room of what went is given back after file.delete.delay.ms. Ctrl-C ends it; what was compacted stays so.',
  ],
  async run(call) {
    const { signal } = call.terminal
    const log = await CommitLog.open(call.argument('folder'), { create: false, waitMs: (call.number('wait') ?? 0) * 1000, signal })
    try {
      return await compactAll(call, await compacted(log, call.text('topic')))
    } finally {
      await log.close()
    }
  },
}

/** The partitions of the compacted topics; those of a topic that is named whatever its policy. */
async function compacted(log: CommitLog, name: string | undefined): Promise<Partition<Uint8Array, Uint8Array>[]> {
  const partitions: Partition<Uint8Array, Uint8Array>[] = []
  for (const info of await chosenTopics(log, name)) {
    const { config } = await log.describeTopic(info.name)
    if (name !== undefined || config.cleanupPolicy !== 'delete') partitions.push(...(await openPlain(log, info)).partitions)
  }
  return partitions
}

async function compactAll(call: Call, partitions: readonly Partition<Uint8Array, Uint8Array>[]): Promise<number> {
  const { screen, terminal } = call
  const reports: CompactReport[] = []
  try {
    for (const [done, partition] of partitions.entries()) {
      screen.bar(done, partitions.length, `${done} of ${counted(partitions.length, 'partition')}`)
      reports.push(await partition.compactNow({ signal: terminal.signal }))
    }
  } finally {
    screen.clearBar()
    // Also what was done before something failed.
    if (reports.length > 0) await report(call, reports)
  }
  if (partitions.length === 0 && !call.json) await screen.print('no compacted topics')
  return 0
}

async function report(call: Call, reports: readonly CompactReport[]): Promise<void> {
  if (call.json) {
    for (const one of reports) await call.screen.print(jsonLine(one))
    return
  }
  const rows = reports.map(({ topic, partition, bytesBefore, bytesAfter, recordsBefore, recordsAfter, keys, ms }) => [
    topic, String(partition), size(bytesBefore), size(bytesAfter), count(recordsBefore), count(recordsAfter), count(keys), `${count(ms)} ms`,
  ])
  await printTable(call, [['topic', 'partition', 'bytes before', 'after', 'records before', 'after', 'keys', 'time'], ...rows])
}
