/*
 * What a matcher says when it fails: what was expected, the records that come nearest and who produced them, and the end of the journal, since
 * the reason is most often there.
 */
import { inspect } from '../../base/node-util.ts'
import { uuidText } from '../../format/uuid.ts'
import { type TestBroker } from '../broker/test-broker.ts'
import { type TestRecord } from '../broker/test-record.ts'
import { type JournalEntry, rowsOf } from '../journal/entry.ts'
import { type Difference, differences, type Equals, type RecordExpectation } from './expectation.ts'

/** Records that are shown. */
const MOST_RECORDS = 3
/** Lines of the journal that are shown. */
const MOST_LINES = 12
/** Letters of a value that are shown. */
const MOST_LETTERS = 400

/** The records that differ least from the expected one, with what differs. */
export function nearestText(broker: TestBroker, records: readonly TestRecord[], expected: RecordExpectation, equals: Equals): string {
  if (records.length === 0) return 'The topic has no records.\n'
  const compared = records.map((record) => ({ record, wrong: differences(record, expected, equals) }))
  compared.sort((one, other) => one.wrong.length - other.wrong.length)      // of two that are as near, the older one first
  const shown = compared.slice(0, MOST_RECORDS).map(({ record, wrong }) => recordText(broker, record, wrong))
  const which = records.length > MOST_RECORDS ? `The nearest of its ${records.length} records:` : 'Its records:'
  return `${which}\n${shown.join('')}`
}

/** Records as they are, those that are too many only counted. */
export function listText(broker: TestBroker, records: readonly TestRecord[]): string {
  const more = records.length - MOST_RECORDS
  return records.slice(0, MOST_RECORDS).map((record) => recordText(broker, record, [])).join('') + (more > 0 ? `  and ${more} more\n` : '')
}

/** The last lines of the journal. */
export function journalText({ journal }: TestBroker): string {
  const lines = journal.timeline({ last: MOST_LINES })
  return lines === '' ? 'No client said anything.\n' : `The end of the journal:\n${lines.replaceAll(/^/gm, '  ').trimEnd()}\n`
}

/** A value, cut where it is long. */
export function valueText(value: unknown): string {
  const text = inspect(value, { breakLength: Infinity, depth: 6 })
  return text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}… (${text.length} letters)` : text
}

function recordText(broker: TestBroker, record: TestRecord, wrong: readonly Difference[]): string {
  const { key, value } = record.toJSON()
  const place = `${record.topic}-${record.partition} offset ${record.offset}`
  const lines = [`  ${place}, ${producerText(broker, record)}: key ${valueText(key)}, value ${valueText(value)}`]
  for (const { part, received, expected } of wrong) lines.push(`    ${part}: ${valueText(received)} instead of ${valueText(expected)}`)
  return `${lines.join('\n')}\n`
}

/** Who produced a record, as far as the journal still knows. */
function producerText(broker: TestBroker, record: TestRecord): string {
  const entry = broker.log.core.topics.find(({ name }) => name === record.topic)
  const id = entry && uuidText(entry.id)
  let found: JournalEntry | undefined
  let best = -1
  for (const request of broker.journal.of('Produce')) {
    const base = baseOffsetOf(request, record, id)
    if (base === undefined || base > record.offset || base <= best) continue
    found = request
    best = base
  }
  if (found === undefined) return 'appended in this process'
  return `produced by ${found.clientId === '' ? 'a client without a name' : `"${found.clientId}"`} (request ${found.number})`
}

/** The offset that a Produce request's batch for a record's partition got. */
function baseOffsetOf(entry: JournalEntry, { topic, partition }: TestRecord, id: unknown): number | undefined {
  for (const answered of rowsOf(entry.response?.['responses'])) {
    if (answered['name'] !== topic && answered['topicId'] !== id) continue
    const row = rowsOf(answered['partitionResponses']).find(({ index, errorCode }) => index === partition && errorCode === 0)
    const base = row?.['baseOffset']
    if (typeof base === 'number') return base
  }
  return undefined
}
