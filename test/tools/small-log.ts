/*
 * A small log in memory that was closed in good order, and hands that damage its files: for tests of verify, repair and backup.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FileSystem } from '../../src/files/file-system.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'

/** Where the log is. */
export const FOLDER = '/data'

/** Settings with which few records fill several segments, batches and index entries. */
const SMALL: TopicSettings = { segmentBytes: 1000, batchSize: 300, indexIntervalBytes: 200 }

/** A topic `orders` of one partition, with records whose values tell their numbers. */
export async function smallLog(records = 80, settings: TopicSettings = {}): Promise<MemoryFileSystem> {
  const files = new MemoryFileSystem()
  const log = await CommitLog.open(FOLDER, { files })
  const topic = await log.topic('orders', { value: bytes, ...SMALL, ...settings })
  for (let number = 0; number < records; number += 4) {
    await topic.send(Array.from({ length: 4 }, (_, index) => ({ key: `k${number + index}`, value: Buffer.from(`value ${number + index}`) })))
  }
  await log.close()
  return files
}

/** A folder of the fixtures, in memory. */
export async function kafkas(name: string): Promise<MemoryFileSystem> {
  const files = new MemoryFileSystem()
  const root = fileURLToPath(new URL(`../fixtures/kafka-4.1/${name}/log`, import.meta.url))
  const load = (folder: string, to: string): void => {
    files.createFolderSync(to)
    for (const entry of readdirSync(folder)) {
      const path = join(folder, entry)
      if (statSync(path).isDirectory()) load(path, `${to}/${entry}`)
      else replace(files, `${to}/${entry}`, readFileSync(path))
    }
  }
  load(root, FOLDER)
  return files
}

/** The values of `orders` by offset, read with a new open. */
export async function values(files: FileSystem, options: { readonly readOnly?: boolean } = {}): Promise<Map<number, string>> {
  const log = await CommitLog.open(FOLDER, { files, ...options })
  try {
    const topic = await log.topic('orders', { create: false, value: bytes })
    return new Map(topic.partitions.flatMap((partition) => [...partition.read()].map((record) => [record.offset, record.value!.toString()] as const)))
  } finally {
    await log.close()
  }
}

/** All files in a folder and those below, in order. */
export function allFiles(files: FileSystem, folder = FOLDER): string[] {
  return files.listSync(folder).flatMap((name) => {
    const path = files.join(folder, name)
    return files.statSync(path)?.kind === 'folder' ? allFiles(files, path) : [path]
  })
}

/** The path of a segment's file, by the place of the segment in its row. */
export function segmentPath(files: FileSystem, number: number, kind = 'log'): string {
  const paths = allFiles(files).filter((path) => path.endsWith(`.${kind}`))
  return paths.at(number)!
}

/** The bytes of a file. */
export function contents(files: FileSystem, path: string): Buffer {
  const file = files.openSync(path, 'read')
  const found = Buffer.alloc(file.sizeSync())
  file.readSync(found, 0, found.length, 0)
  file.closeSync()
  return found
}

/** Replaces a file. */
export function replace(files: FileSystem, path: string, with_: Uint8Array): void {
  const file = files.openSync(path, files.statSync(path) === undefined ? 'create' : 'write')
  file.truncateSync(0)
  file.writeSync(with_, 0, with_.length, 0)
  file.closeSync()
}

/** Flips one bit of a file. */
export function flip(files: FileSystem, path: string, at: number, bit = 0): void {
  const file = files.openSync(path, 'write')
  const byte = Buffer.alloc(1)
  file.readSync(byte, 0, 1, at)
  byte[0]! ^= 1 << bit
  file.writeSync(byte, 0, 1, at)
  file.closeSync()
}
