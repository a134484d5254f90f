/*
 * What was said between clients and the broker: decoded, as text, and as a capture file.
 */
import { type EntryFilter } from '../../journal/journal.ts'
import { type JournalEntry } from '../../journal/entry.ts'
import { BoundedPattern, wrongPattern } from '../bounded-pattern.ts'
import { asJson } from '../json-values.ts'
import { bytes, done, json, plainText, route, type Route } from '../route.ts'
import { anything, byName, described, type Described, integer, list, name, object, oneOf, orNull, type Schema, text, titled } from '../schema.ts'

const time = { type: 'number', minimum: 0 } as Schema<number>
const message = byName(anything)

const entry = titled('JournalEntry', object({
  number: described(integer(1), 'Counts requests, from 1 on.'), since: described(time, 'Ms since the journal began.'), connection: integer(1),
  broker: described(integer(0), 'Node id.'), clientId: text, software: text, api: text, version: integer(0), correlationId: integer(),
  durationMs: described(orNull(time), 'Ms until it was answered; null when it was not.'), faults: described(list(text), 'What faults did to it.'),
  violations: described(list(text), 'What of it broke a contract.'),
}, {
  request: described(message, 'Fields as in Kafka\'s protocol, in camelCase; bytes are base64.'), response: orNull(message),
}), 'A request with its answer.')

const connection = titled('ConnectionNote', object({
  kind: oneOf('connected', 'disconnected'), connection: integer(1), since: time, reason: orNull(text),
}))

const MOST_ENTRIES = 10_000
const USUAL_ENTRIES = 1000

/** The routes. */
export const journalRoutes: readonly Route[] = [
  route('journal', {
    method: 'GET', path: '/journal', name: 'readJournal', summary: 'The requests that clients sent, in the order in which they were begun',
    query: {
      api: described(name, 'Kafka\'s name: `OffsetCommit`.'), client: described(text, 'The client id.'),
      clientPattern: described(name, 'A pattern that client ids fit.'), connection: integer(1), broker: integer(0),
      last: described(integer(1, MOST_ENTRIES), `At most so many, the last ones. Default ${USUAL_ENTRIES}.`),
      messages: described({ type: 'boolean' } as Schema<boolean>, 'Whether requests and answers are there, decoded. Default true.'),
    },
    answer: json(object({
      entries: list(entry), count: described(integer(0), 'How many there are.'), dropped: described(integer(0), 'Forgotten for want of room.'),
    }), 'The requests.'),
    run({ broker: { kafka: { journal } }, query: { api, last = USUAL_ENTRIES, messages = true, ...query } }) {
      const filter = filterOf(query)
      const found = api === undefined ? journal.filter(filter) : journal.of(api, filter)
      return { entries: found.slice(-last).map((one) => entryForm(one, messages)), count: found.length, dropped: journal.dropped }
    },
  }),
  route('journal', {
    method: 'DELETE', path: '/journal', name: 'clearJournal', summary: 'Forgets everything, and begins anew', answer: done('It is empty.'),
    run: ({ broker }) => broker.kafka.journal.clear(),
  }),
  route('journal', {
    method: 'GET', path: '/journal/timeline', name: 'getTimeline', summary: 'Who said what, a line for each request, answer and connection',
    query: { last: described(integer(1), 'The last so many lines.') }, answer: plainText('The lines.'),
    run: ({ broker, query }) => broker.kafka.journal.timeline(query),
  }),
  route('journal', {
    method: 'GET', path: '/journal/pcap', name: 'getCapture', summary: 'A capture file: Wireshark shows it as Kafka\'s protocol',
    answer: bytes('application/vnd.tcpdump.pcap', 'The file.'), run: ({ broker }) => broker.kafka.journal.toPcap(),
  }),
  route('journal', {
    method: 'GET', path: '/journal/connections', name: 'listConnections', summary: 'Connections that came and went',
    answer: json(object({ connections: list(connection) }), 'The connections.'),
    run: ({ broker }) => ({
      connections: broker.kafka.journal.connections.map(({ kind, connection: id, since, reason = null }) => (
        { kind, connection: id, since, reason }
      )),
    }),
  }),
]

interface FilterAsked extends Pick<EntryFilter, 'connection' | 'broker'> {
  readonly client?: string
  readonly clientPattern?: string
}

function filterOf({ client, clientPattern, ...rest }: FilterAsked): EntryFilter {
  if (clientPattern === undefined) return { ...rest, ...(client !== undefined && { client }) }
  if (client !== undefined) throw new TypeError('client and clientPattern exclude each other')
  const [wrong] = wrongPattern(clientPattern)
  if (wrong !== undefined) throw new TypeError(`clientPattern ${wrong}`)
  return { ...rest, client: new BoundedPattern(clientPattern) }
}

function entryForm(found: JournalEntry, messages: boolean): Described<typeof entry> {
  const { number, since, connection: id, broker, clientId, software, api, version, correlationId, durationMs = null, faults, violations } = found
  const form = { number, since, connection: id, broker, clientId, software, api, version, correlationId, durationMs, faults, violations }
  if (!messages) return form
  const { request, response } = found
  return { ...form, request: asJson(request) as typeof request, response: response === undefined ? null : asJson(response) as typeof response }
}
