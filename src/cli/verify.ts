/*
 * `commitlog verify`: checks everything in a folder and changes nothing. The checks are topics/verify-log.ts and log/verify.ts.
 */
import { relative } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type Finding } from '../log/findings.ts'
import { allFindings, findLog, isSound, type LogReport, verifyLog } from '../topics/verify-log.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { type ChosenPartitions, unknownPartition, unknownTopic } from './records.ts'
import { type Screen, type Style } from './screen.ts'
import { findTarget } from './target.ts'
import { counted, printable, size } from './text.ts'

/** The subcommand. */
export const verify: Command = {
  name: 'verify',
  summary: 'checks every batch, index and file of a log, and changes nothing',
  positionals: ['folder'],
  options: {
    topic: { value: 'NAME', help: 'only this topic' },
    partition: { value: 'N', help: 'only the partition of this number' },
  },
  notes: [
    'Ends with 1 when there is damage: bytes that were certainly written and are wrong or missing. A torn tail is none: it is what a',
    'power cut may leave of appends that were not acknowledged, and the next open for writing sets it aside. Beside a writer in another',
    'process, what that has synced is checked.',
  ],
  async run(call) {
    const report = await check(call, targetOf(call))
    await printReport(call, report)
    return isSound(report) ? 0 : 1
  },
}

/** What is to be checked: the folder may be that of a partition. */
function targetOf(call: Call): CheckTarget {
  const target = findTarget(call.argument('folder'))
  if ('file' in target) throw new UsageError(`${target.file} is a file: give the folder of its log`)
  return { topic: call.text('topic'), partition: call.number('partition'), ...target }
}

/** A log, or a part of it. */
export interface CheckTarget extends Partial<ChosenPartitions> {
  readonly folder: string
}

/** Checks a log with a progress bar. */
export async function check({ screen, terminal }: Call, { folder, topic, partition }: CheckTarget): Promise<LogReport> {
  const report = await verifyLog(diskFileSystem, folder, {
    clock: systemClock, topic, partition,
    onProgress: (done, total) => {
      terminal.signal.throwIfAborted()
      screen.bar(done, total, `${size(done)} of ${size(total)}`)
    },
  })
  screen.clearBar()
  if (topic !== undefined && !report.topics.includes(topic)) throw unknownTopic(folder, topic, report.topics)
  if (report.partitions.length === 0 && partition !== undefined) throw unknownPartition(folder, partition, countedTopic(folder, topic))
  return report
}

function countedTopic(folder: string, topic: string | undefined): { readonly name: string; readonly count: number } | undefined {
  if (topic === undefined) return undefined
  const { partitions } = findLog(diskFileSystem, folder, { clock: systemClock })
  return { name: topic, count: partitions.filter((one) => one.topic === topic).length }
}

async function printReport(call: Call, report: LogReport): Promise<void> {
  const { screen } = call
  const findings = allFindings(report)
  if (call.json) {
    for (const finding of findings) await screen.print(JSON.stringify({ ...finding, position: finding.position ?? null }))
    await screen.print(JSON.stringify(summary(report)))
    return
  }
  for (const line of findingLines(screen, report.folder, findings)) await screen.print(line)
  if (report.writer !== undefined) {
    const { pid, host } = report.writer
    await screen.print(`process ${pid} on ${printable(host)} is writing: what it has synced was checked`)
  }
  const { partitions, segments, batches, records, bytes, damage } = summary(report)
  const counts = [counted(partitions, 'partition'), counted(segments, 'segment'), counted(batches, 'batch', 'batches'), counted(records, 'record')]
  await screen.print([...counts, size(bytes)].join(', '))
  await screen.print(damage === 0 ? screen.paint('green', 'no damage') : screen.paint('red', `damage in ${counted(damage, 'place')}`))
}

const styles: Readonly<Record<Finding['kind'], Style>> = { damage: 'red', torn: 'yellow', note: 'dim' }

/** Findings in lines, each with its place. */
function findingLines(screen: Screen, folder: string, findings: readonly Finding[]): string[] {
  return findings.map(({ kind, path, position, message }) => {
    const name = printable(relative(folder, path) || path)
    return `${screen.paint(styles[kind], kind.padEnd(6))}  ${name}${position === undefined ? '' : ` @${position}`}: ${printable(message)}`
  })
}

function summary(report: LogReport): Record<'partitions' | 'segments' | 'batches' | 'records' | 'bytes' | 'damage', number> {
  const sum = (of: (partition: LogReport['partitions'][number]) => number): number => report.partitions.reduce((total, one) => total + of(one), 0)
  return {
    partitions: report.partitions.length, segments: sum(({ segments }) => segments), batches: sum(({ batches }) => batches),
    records: sum(({ records }) => records), bytes: sum(({ bytes }) => bytes),
    damage: allFindings(report).filter(({ kind }) => kind === 'damage').length,
  }
}
