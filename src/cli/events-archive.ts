/*
 * `commitlog events --archive FILE`: streams to a file of lines, which is whole and durable before they are deleted. What was broken off is gone
 * on with when it is called again.
 */
import { InputError } from '../base/input-error.ts'
import { type ArchivedFile, archiveToFile } from '../events/archive.ts'
import { type LocalEventStore } from '../events/event-store.ts'
import { type StreamInfo } from '../events/forgetting.ts'
import { type Call, UsageError } from './command.ts'
import { clipped, count, counted, jsonLine, printable } from './text.ts'

/** Characters of the names of streams that were kept. */
const MOST_KEPT = 200

/** The options that say which streams are archived. */
export const archiveOptions = {
  archive: { value: 'FILE', help: 'write streams to a file as --export does, compressed when it ends with .gz, and delete them' },
  before: { value: 'TIME', help: 'with --archive: the streams whose last event is older' },
  id: { value: 'ID', many: true, help: 'with --archive: this stream; may be given several times' },
} as const

/** Refuses `--archive` without a choice, and a choice without it. */
export function checkArchive(call: Call): void {
  const chosen = [...(call.text('before') === undefined ? [] : ['--before']), ...(call.texts('id').length === 0 ? [] : ['--id'])]
  const archives = call.text('archive') !== undefined
  if (!archives && chosen.length > 0) throw new UsageError(`${chosen[0]} goes with --archive`)
  if (archives && chosen.length !== 1) throw new UsageError('--archive takes --before TIME or --id ID')
  if (archives && timeOf(call) === undefined && call.texts('id').length === 0) throw new UsageError('--before takes a time, such as 2026-01-31')
}

/** Archives the streams that were chosen: 1 when not all of them are. */
export async function archive(call: Call, store: LocalEventStore): Promise<number> {
  const [before, ids, path] = [timeOf(call), call.texts('id'), call.text('archive')!]
  for (const id of ids) if (store.head(id) === 0) throw new UsageError(`there is no stream ${JSON.stringify(id)} in category "${store.category}"`)
  const streams = before === undefined ? ids : ({ stream }: StreamInfo) => isOlder(store, stream, before)
  const done = await archiveToFile(store, { streams, path, signal: call.terminal.signal })
  const gone = ids.filter((id) => ![...done.archived, ...done.kept].includes(id))
  if (call.json) await call.screen.print(jsonLine({ category: store.category, ...done }))
  else await call.screen.print(done.events === 0 ? `no events to archive: ${path} is not made` : told(done))
  if (gone.length > 0) throw new InputError(`not in the file, since they were deleted before: ${gone.map(printable).join(', ')}`)
  return done.kept.length === 0 ? 0 : 1
}

function told({ events, path, resumed, archived, kept }: ArchivedFile): string {
  const why = resumed ? 'not as the file has them' : 'somebody appended to them'
  const left = kept.length === 0 ? '' : `, ${count(kept.length)} kept: ${why} (${clipped(kept.map(printable).join(', '), MOST_KEPT)})`
  return `${counted(events, 'event')}: ${path}${resumed ? ' (was there)' : ''}; ${counted(archived.length, 'stream')} deleted${left}`
}

async function isOlder(store: LocalEventStore, stream: string, before: number): Promise<boolean> {
  const { events: [last] } = await store.read(stream, { direction: 'backward', limit: 1 })
  return last !== undefined && last.time < before
}

function timeOf(call: Call): number | undefined {
  const text = call.text('before')
  const time = text === undefined ? NaN : Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}
