/*
 * What records are imported from: a file of lines, or what a test has in hands; read a piece at a time.
 */
import { LogError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import { type FileSystem } from '../../files/file-system.ts'
import { lineChunks } from '../../topics/lines/line-chunks.ts'
import { type ImportedRecord, importedItem, importedLine, type ImportItem } from './imported-record.ts'
import { type ImportedRecords, inputAt, type ImportRecords } from './import-records.ts'

/** The path of a file of lines, or the lines or records themselves. */
export type ImportSource = string | Iterable<ImportItem> | AsyncIterable<ImportItem>

const READ_BYTES = 256 * 1024
/** Records of an iterable that are taken together. */
const ITEMS_TOGETHER = 1000

type Taken = readonly [record: ImportedRecord, at: string]

/**
 * Runs an import over its source.
 *
 * @throws LogError `LOG_NOT_FOUND`; `LOG_IMPORT_INVALID` with the line that is wrong: those before it may be there
 */
export async function importFrom(files: FileSystem, source: ImportSource, into: ImportRecords): Promise<ImportedRecords> {
  if (typeof source === 'string') await fileInto(files, source, into)
  else if (isIterable(source)) await itemsInto(source, into)
  else throw new TypeError(`import takes the path of a file, or lines or records in an iterable, not ${describe(source)}`)
  return into.finish()
}

async function fileInto(files: FileSystem, path: string, into: ImportRecords): Promise<void> {
  const stat = files.statSync(path)
  if (stat === undefined) throw new LogError('LOG_NOT_FOUND', `there is no file ${path}`, { path })
  if (stat.kind !== 'file') throw new TypeError(`${path} is a folder: a broker begins with one, startTestBroker({ from: '${path}' })`)
  let number = 0
  try {
    const { Readable } = process.getBuiltinModule('node:stream')
    for await (const lines of lineChunks(Readable.from(piecesOf(files, path)), new AbortController().signal)) {
      await into.take(lines.flatMap((line): Taken[] => {
        const at = `line ${++number} of ${path}`
        const record = inputAt(at, () => importedLine(line))
        return record === undefined ? [] : [[record, at]]
      }))
    }
  } catch (error) {
    inputAt(path, () => {
      throw error
    })
  }
}

async function* piecesOf(files: FileSystem, path: string): AsyncGenerator<Buffer, void> {
  const file = files.openSync(path, 'read')
  try {
    for (let position = 0; ; ) {
      const piece = Buffer.allocUnsafe(READ_BYTES)
      const count = await file.read(piece, 0, READ_BYTES, position)
      if (count === 0) return
      position += count
      yield piece.subarray(0, count)
    }
  } finally {
    file.closeSync()
  }
}

async function itemsInto(items: Iterable<ImportItem> | AsyncIterable<ImportItem>, into: ImportRecords): Promise<void> {
  let taken: Taken[] = []
  let number = 0
  for await (const item of items) {
    const at = `item ${++number}`
    const record = inputAt(at, () => importedItem(item))
    if (record !== undefined) taken.push([record, at])
    if (taken.length < ITEMS_TOGETHER) continue
    await into.take(taken)
    taken = []
  }
  await into.take(taken)
}

function isIterable(source: unknown): source is Iterable<ImportItem> | AsyncIterable<ImportItem> {
  return typeof source === 'object' && source !== null && (Symbol.iterator in source || Symbol.asyncIterator in source)
}
