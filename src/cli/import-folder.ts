/*
 * The folder of a Kafka broker as a new log: the copy with its progress bar, and what is said of it.
 */
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { diskFileSystem } from '../files/disk.ts'
import { importKafka, type ImportReport } from '../topics/import-kafka.ts'
import { type Call } from './command.ts'
import { checkApart } from './copy.ts'
import { counted, jsonLine, size } from './text.ts'

/** Copies what lies in one folder to another and says what it was. */
export async function importFolder(call: Call, from: string, to: string): Promise<number> {
  checkApart(from, to)
  const { screen, terminal } = call
  const report = await importKafka(diskFileSystem, from, to, {
    clock: systemClock, random: systemRandom, signal: terminal.signal,
    onProgress: (done, total) => screen.bar(done, total, `${size(done)} of ${size(total)}`),
  })
  screen.clearBar()
  for (const line of call.json ? jsonLines(report) : [summary(report, to), ...remarks(report)]) await screen.print(line)
  return 0
}

function jsonLines({ partitions, metadata, ignored, elsewhere }: ImportReport): string[] {
  const copied = partitions.map(({ topic, partition, nextOffset, bytes }) => jsonLine({ topic, partition, nextOffset, bytes }))
  return [...copied, jsonLine({ partitions: partitions.length, metadata, ignored, elsewhere })]
}

function summary({ partitions, checked }: ImportReport, to: string): string {
  const bytes = partitions.reduce((sum, partition) => sum + partition.bytes, 0)
  const records = checked!.partitions.reduce((sum, partition) => sum + partition.records, 0)
  const topics = new Set(partitions.map(({ topic }) => topic)).size
  return `${counted(topics, 'topic')}, ${counted(partitions.length, 'partition')}, ${size(bytes)}, ${counted(records, 'record')}, checked: ${to}`
}

function remarks({ metadata, ignored, elsewhere }: ImportReport): string[] {
  const lines = metadata ? [] : ['without __cluster_metadata: topics have no settings of their own']
  const names = [...new Set(ignored.map(({ name }) => name))].sort()
  if (names.length > 0) lines.push(`settings that mean nothing here: ${names.join(', ')}`)
  if (elsewhere.length > 0) lines.push(`topics without a partition in this folder: ${elsewhere.join(', ')}`)
  return lines
}
