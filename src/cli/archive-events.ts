/*
 * `commitlog events --archive FILE`: streams to a file of lines, which is whole and durable before they are deleted. What was broken off is gone
 * on with when it is called again.
 */
import { archiveToFile } from '../events/archive.ts'
import { type LocalEventStore } from '../events/event-store.ts'
import { type StreamInfo } from '../events/forgetting.ts'
import { type Call, UsageError } from './command.ts'
import { count, counted, jsonLine } from './text.ts'

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

/** Archives the streams that were chosen. */
export async function archive(call: Call, store: LocalEventStore): Promise<number> {
  const before = timeOf(call)
  const streams = before === undefined ? call.texts('id') : ({ stream }: StreamInfo) => isOlder(store, stream, before)
  const done = await archiveToFile(store, { streams, path: call.text('archive')!, signal: call.terminal.signal })
  if (call.json) await call.screen.print(jsonLine({ category: store.category, ...done }))
  else {
    const kept = done.kept.length === 0 ? '' : `, ${count(done.kept.length)} kept, since somebody appended to them`
    const how = done.resumed ? ' (the file was there: its streams)' : ''
    await call.screen.print(`${counted(done.events, 'event')}: ${done.path}${how}; ${counted(done.archived.length, 'stream')} deleted${kept}`)
  }
  return 0
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
