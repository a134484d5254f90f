/*
 * `commitlog events --export FILE`: the events of a category as lines, behind those that the file has. A file of something else is left as it is.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { type LocalEventStore } from '../events/event-store.ts'
import { exportEvents } from '../events/transfer.ts'
import { type Call } from './command.ts'
import { LineFile } from './export-file.ts'
import { counted, jsonLine } from './text.ts'

/** How every line of an export begins. */
const BEGINNING = Buffer.from('{"type":"')

/** Writes the events that the file has not. */
export async function exportLines(call: Call, store: LocalEventStore): Promise<number> {
  const path = call.text('export')!
  const { signal } = call.terminal
  const from = call.number('from')
  const options = { ...(from !== undefined && { from }), signal }
  if (path === '-') {
    for await (const { line } of exportEvents(store, options)) await call.screen.print(line.slice(0, -1))
    return 0
  }
  const file = LineFile.resume(path)
  let exported = 0
  try {
    checkPart(file, store)
    const after = file.last?.toString()
    for await (const { line } of exportEvents(store, { ...options, ...(after !== undefined && { after }) })) {
      exported++
      await file.print(line.slice(0, -1))
    }
    await file.finish()
  } catch (error) {
    throw isLogError(error, 'LOG_FILE_MISMATCH') ? new LogError(error.code, `${path}: ${error.message}`, { ...error.detail, path }, error) : error
  } finally {
    file.close()
  }
  await call.screen.print(call.json ? jsonLine({ file: path, events: exported, bytes: file.size }) : `${counted(exported, 'event')}: ${path}`)
  return 0
}

/** What is no line is written over: in a file without lines it has to be a part of one. */
function checkPart({ last, part }: LineFile, { category }: LocalEventStore): void {
  const length = Math.min(part.length, BEGINNING.length)
  if (last !== undefined || part.subarray(0, length).equals(BEGINNING.subarray(0, length))) return
  throw new LogError('LOG_FILE_MISMATCH', 'what stands in it is no part of an export', { category })
}
