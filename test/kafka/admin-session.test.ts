/*
 * The session of an administrator, compared with what a real Kafka answered. To record it again, run this file with
 * RECORD_FROM=<port of a fresh broker>.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { adminSession, type Answer } from './admin-session.ts'
import { RawClient, startListener } from './harness.ts'

const recorded = new URL('../fixtures/kafka-4.1/admin.jsonl', import.meta.url)
const recordFrom = process.env.RECORD_FROM
const TIMEOUT_MS = 90_000

/** An answer with its label. */
interface Note {
  readonly label: string
  readonly answer: Answer
}

/** Where the listener answers otherwise, and why. */
const differences: readonly (readonly [where: RegExp, why: string])[] = [
  [/^describe a broker .*\[(?:advertised\.listeners|listeners|log\.dirs)\]/, 'addresses and folders are those of the machine'],
  [/^describe a broker .*\[(?:controller\.|listener\.security)/, 'there is no controller beside the brokers, and so no listener of it'],
  [/^describe a broker .*\[offsets\.retention\.minutes\]/, 'what groups have committed is kept until the log is told otherwise'],
  [/^describe a logger/, 'nothing is logged'],
  [/^feature lower, safely/, 'the level of a feature is what the broker is'],
  [/totalBytes|usableBytes/, 'memory has no end, and nobody tells how large a disk is'],
]

test('an administrator is answered as by a real Kafka', { timeout: TIMEOUT_MS }, async () => {
  const notes = new Map((await session()).map(({ label, answer }) => [label, lines(answer)]))
  const theirs = readFileSync(recorded, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Note)
  expect([...notes.keys()]).toEqual(theirs.map(({ label }) => label))
  const found = new Set<RegExp>()
  const unexpected = theirs.flatMap(({ label, answer }) => {
    const [kafka, ours] = [new Set(lines(answer)), new Set(notes.get(label))]
    const wrong = [
      ...[...kafka].filter((line) => !ours.has(line)).map((line) => `${label} ${line} - Kafka's`),
      ...[...ours].filter((line) => !kafka.has(line)).map((line) => `${label} ${line} - ours`),
    ]
    return wrong.filter((line) => {
      const known = differences.find(([where]) => where.test(line))
      if (known !== undefined) found.add(known[0])
      return known === undefined
    })
  })
  expect(unexpected).toEqual([])
  // One that is no difference any more is to be taken off the list.
  expect(differences.filter(([where]) => !found.has(where))).toEqual([])
})

async function session(): Promise<Note[]> {
  const client = recordFrom === undefined ? await (await startListener()).client() : await RawClient.connect(Number(recordFrom))
  const settle = (): Promise<void> => (recordFrom === undefined ? Promise.resolve() : new Promise((resolve) => void setTimeout(resolve, 300)))
  const notes: Note[] = []
  await adminSession(async (label, api, version, value) => {
    const answer: unknown = await client.request(api, version, value as never)
    notes.push({ label, answer: normal(answer) })
    return answer
  }, settle)
  expect(new Set(notes.map(({ label }) => label)).size).toBe(notes.length)
  if (recordFrom !== undefined) writeFileSync(recorded, notes.map((note) => `${JSON.stringify(note)}\n`).join(''))
  return notes
}

const ids = ['topicId', 'clientInstanceId', 'clusterId', 'host', 'port', 'logDir', 'subscriptionId']
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** The answer without what differs from run to run: ids, addresses, orders that come of hashing; and with Kafka's empty messages as none. */
function normal(value: Answer): Answer {
  if (Array.isArray(value)) return value.map(normal).sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
  if (typeof value === 'string') return value.replace('HashSet(', 'Set(')
  if (typeof value !== 'object' || value === null) return value
  if ('configSource' in value && 'readOnly' in value) return configLine(value)
  return Object.fromEntries(Object.entries(value).flatMap(([name, field]: [string, Answer]) => {
    if (name === 'configs') return [[name, field === null ? null : normal(field.filter(isTelling))]]
    if (ids.includes(name) && field !== NO_ID && field !== '') return [[name, `<${name}>`]]
    if (name === 'errorMessage' && field === '') return [[name, null]]
    return [[name, normal(field)]]
  }))
}

/** Of the configs of new topics, those that are not the default tell enough. */
function isTelling(config: Answer): boolean {
  return 'synonyms' in config || config.configSource !== 5
}

function configLine({ name, value, readOnly, configSource, isSensitive, synonyms, configType }: Answer): string {
  const otherwise = synonyms?.map((synonym: Answer) => `${synonym.name}=${synonym.value}@${synonym.source}`).join(' ')
  const marks = `${readOnly ? 'read-only ' : ''}${isSensitive ? 'sensitive ' : ''}`
  return `[${name}]=${value}@${configSource} ${marks}${configType === undefined ? '' : `type ${configType} (${otherwise})`}`
}

/** What an answer says, a line for each thing. */
function lines(value: Answer, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${path} ${typeof value === 'string' ? value : JSON.stringify(value)}`]
  const entries: [string, Answer][] = Array.isArray(value) ? value.map((item) => [item?.name ?? '', item]) : Object.entries(value)
  return entries.length === 0 ? [`${path} nothing`] : entries.flatMap(([name, field]) => lines(field, `${path}.${name}`))
}
