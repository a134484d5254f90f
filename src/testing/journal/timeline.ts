/*
 * A journal as text: who said what to whom, a line for each request, answer and connection, in the order of time.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type ConnectionNote, type ExpiredNote } from './journal.ts'
import { type JournalEntry } from './entry.ts'

/** What of a journal is shown. */
export interface TimelineOptions {
  /** The last so many lines. Default: all. */
  readonly last?: number
}

interface Line {
  /** Of all that the journal has: time may stand. */
  readonly order: number
  readonly since: number
  readonly text: string
}

const errorNames: ReadonlyMap<number, string> = new Map(Object.entries(kafkaErrors).map(([name, code]) => [code, name]))
/** Names that are listed before the rest is only counted. */
const MOST_NAMES = 4

/** What a timeline shows. */
export interface TimelineParts {
  readonly entries: readonly JournalEntry[]
  readonly connections: readonly ConnectionNote[]
  readonly expired: readonly ExpiredNote[]
}

/** The lines of requests, connections and members that were thrown out. */
export function timelineOf({ entries, connections, expired }: TimelineParts, { last }: TimelineOptions = {}): string {
  const names = new Map(entries.map(({ connection, clientId }) => [connection, clientId]))
  const who = (connection: number): string => `${names.get(connection) || 'client'}#${connection}`
  const width = Math.max(0, ...Array.from(names.keys(), (connection) => who(connection).length))
  const lines: Line[] = [
    ...connections.map((note) => (
      { order: note.order, since: note.since, text: connectionLine(note, who(note.connection).padEnd(width)) }
    )),
    ...expired.map(({ order, since, clientId, groupId, memberId }) => (
      { order, since, text: `${clientId.padEnd(width)} ─╳─   the session of ${memberId} in group ${groupId} ended` }
    )),
    ...entries.flatMap((entry) => linesOf(entry, who(entry.connection).padEnd(width))),
  ]
  lines.sort((one, other) => one.order - other.order)
  const shown = last === undefined ? lines : lines.slice(-last)
  return shown.map(({ since, text }) => `${timeText(since)}  ${text}\n`).join('')
}

function connectionLine({ kind, reason }: ConnectionNote, who: string): string {
  return `${who} ${kind === 'connected' ? '───' : '─╳─'}   ${kind}${reason === undefined ? '' : `: ${reason}`}`
}

function linesOf(entry: JournalEntry, who: string): Line[] {
  const { order, since, durationMs, broker, api, version, served, faults, violations } = entry
  const what = `${api} v${version}${served ? '' : ', which is not served'}`
  const asked = { order: order.asked, since, text: `${who} ──▶ ${broker} ${what}${placesOf(entry.request)}` }
  const notes = [...faults, ...violations.slice(0, MOST_NAMES), ...(violations.length > MOST_NAMES ? [`${violations.length} violations`] : [])]
  const fault = notes.length === 0 ? '' : `  [${notes.join('; ')}]`
  if (durationMs === undefined) {
    return fault === '' ? [asked] : [asked, { order: order.answered, since, text: `${who} ╳── ${broker} ${what} not answered${fault}` }]
  }
  const answer = entry.responseFrame === undefined ? 'not answered' : errorsOf(entry.response)
  const arrow = entry.responseFrame === undefined ? '╳──' : '◀──'
  return [asked, { order: order.answered, since: since + durationMs, text: `${who} ${arrow} ${broker} ${what} ${answer}${fault}` }]
}

function timeText(ms: number): string {
  return `${(ms / 1000).toFixed(3).padStart(8)}s`
}

/** What a request is about: its group, its transactional id, its topics. */
function placesOf(request: Readonly<Record<string, unknown>>): string {
  const named = [request['groupId'], request['transactionalId'], request['key']].filter((name) => typeof name === 'string' && name !== '')
  const places = ['topicData', 'topics'].flatMap((field) => (Array.isArray(request[field]) ? request[field] as unknown[] : [])).map(placeText)
  const all = [...named, ...places].map(String)
  if (all.length === 0) return ''
  return ` ${all.slice(0, MOST_NAMES).join(' ')}${all.length > MOST_NAMES ? ` and ${all.length - MOST_NAMES} more` : ''}`
}

function placeText(topic: unknown): string {
  if (typeof topic !== 'object' || topic === null) return String(topic)
  const row = topic as Readonly<Record<string, unknown>>
  const name = String(row['name'] || row['topic'] || row['topicId'])
  const partitions = [row['partitionData'], row['partitions'], row['partitionIndexes']].find(Array.isArray) as readonly unknown[] | undefined
  if (partitions === undefined) return name
  return `${name}-${partitions.map((partition) => partitionText(partition)).join(',')}`
}

function partitionText(partition: unknown): string {
  if (typeof partition !== 'object' || partition === null) return String(partition)
  const { index, partitionIndex, partition: number } = partition as Readonly<Record<string, unknown>>
  return String(index ?? partitionIndex ?? number)
}

/** The errors anywhere in an answer; NONE when there are none. */
function errorsOf(response: unknown): string {
  if (response === undefined) return 'bytes that are no answer'
  const found = new Set<string>()
  collectErrors(response, found)
  return found.size === 0 ? 'ok' : [...found].join(', ')
}

function collectErrors(value: unknown, found: Set<string>): void {
  if (Array.isArray(value)) for (const one of value) collectErrors(one, found)
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const [name, one] of Object.entries(value)) {
      if (/^(?:error|.*Error)Code$/.test(name) && typeof one === 'number' && one !== 0) found.add(errorNames.get(one) ?? String(one))
      else if (typeof one === 'object') collectErrors(one, found)
    }
  }
}
