/*
 * What `backup` and `restore` share: a checked copy of a log with a progress bar.
 */
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { diskFileSystem } from '../files/disk.ts'
import { copyLog, type CopyReport } from '../topics/backup.ts'
import { type Call, type Option, UsageError } from './command.ts'
import { counted, jsonLine, size } from './text.ts'

/** The options of both. */
export const copyOptions: Readonly<Record<string, Option>> = {
  unchecked: { help: 'copy a log that has damage in it too, as it is' },
}

/** Copies the log in one folder to another and says what was copied. */
export async function copy(call: Call, from: string, to: string): Promise<number> {
  checkApart(from, to)
  const { screen, terminal } = call
  const report = await copyLog(diskFileSystem, from, to, {
    clock: systemClock, random: systemRandom, check: !call.flag('unchecked'), signal: terminal.signal,
    onProgress: (done, total) => screen.bar(done, total, `${size(done)} of ${size(total)}`),
  })
  screen.clearBar()
  for (const line of call.json ? jsonLines(report) : [summary(report, to)]) await screen.print(line)
  return 0
}

/** Throws a UsageError when one folder lies inside the other. */
export function checkApart(from: string, to: string): void {
  if (isInside(to, from) || isInside(from, to)) throw new UsageError(`${to} and ${from} lie inside each other`)
}

function jsonLines({ partitions }: CopyReport): string[] {
  return partitions.map(({ topic, partition, nextOffset, bytes }) => jsonLine({ topic, partition, nextOffset, bytes }))
}

function summary({ partitions, checked }: CopyReport, to: string): string {
  const bytes = partitions.reduce((sum, partition) => sum + partition.bytes, 0)
  const records = checked?.partitions.reduce((sum, partition) => sum + partition.records, 0)
  const contents = records === undefined ? 'not checked' : `${counted(records, 'record')}, checked`
  return `${counted(partitions.length, 'partition')}, ${size(bytes)}, ${contents}: ${to}`
}

function isInside(path: string, folder: string): boolean {
  const way = relative(resolve(folder), resolve(path))
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)       // absolute: on another drive of Windows
}
