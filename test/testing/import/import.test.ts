/*
 * Records of elsewhere in a test broker: folders of a real Kafka, lines in three forms, and what is wrong with them.
 */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { CommitLog } from '../../../src/index.ts'
import { fromCluster, type ImportItem } from '../../../src/testing/index.ts'
import { client, fetchOne, startBroker } from '../broker/harness.ts'
import { expectedRecords, fixtureLines } from '../../tools/fixtures.ts'

const folder = (name: string): string => fileURLToPath(new URL(`../../fixtures/kafka-4.1/${name}/log`, import.meta.url))
const temporary = mkdtempSync(join(tmpdir(), 'commitlog-import-'))
afterAll(() => rmSync(temporary, { recursive: true }))

function file(name: string, contents: string | Uint8Array): string {
  const path = join(temporary, name)
  writeFileSync(path, contents)
  return path
}

/** Names, sizes and times of all below a folder. */
function picture(path: string): unknown {
  return readdirSync(path, { recursive: true }).map(String).sort().map((name) => {
    const { size, mtimeMs } = statSync(join(path, name))
    return [name, size, mtimeMs]
  })
}

for (const name of ['basic', 'txn', 'compacted']) {
  test(`the folder of a real Kafka (${name}) is what a broker begins with, gaps and all, as its consumer read it`, async () => {
    const before = picture(folder(name))
    const kafka = await startBroker({ from: folder(name) })
    const read = kafka.log.core.topics.flatMap((topic) => kafka.topic(topic.name).records({ isolation: 'read_uncommitted' }))
    const seen = read.map(({ topic, partition, offset, timestamp, keyBytes, bytes }) => ({
      topic, partition, offset, timestamp, key: keyBytes?.toString('base64') ?? null, value: bytes?.toString('base64') ?? null,
    }))
    const wanted = [...expectedRecords(name).values()].map(({ topic, partition, offset, timestamp, key, value }) => ({
      topic, partition, offset, timestamp, key, value,
    }))
    expect(seen).toEqual(expect.arrayContaining(wanted))
    expect(seen).toHaveLength(wanted.length)
    expect(picture(folder(name))).toEqual(before)
  })
}

test('the last records of a cluster come with their offsets, times, headers and partitions; what was aborted does not', async () => {
  const cluster = await startBroker({ topics: { orders: 3, others: 1 } })
  const orders = cluster.topic('orders')
  orders.append([0, 1, 2, 3].map((number) => ({ partition: 1, key: `k${number}`, value: { number }, timestamp: 1000 + number })))
  const transaction = await cluster.log.beginTransaction()
  await transaction.send(await cluster.log.topic('orders'), { value: Buffer.from('aborted'), partition: 1 })
  await transaction.abort()
  orders.append({ partition: 1, key: null, value: null, timestamp: 2000, headers: [['h', 'x'], ['h', null]] })
  const kafka = await startBroker({})
  const from = { brokers: cluster.bootstrap, topics: ['orders', 'others'] }
  expect(await kafka.import(fromCluster({ ...from, last: 5 }))).toEqual({ records: 3, topics: ['orders'], uncommitted: 0 })
  const copy = kafka.topic('orders')
  expect(copy.offsets).toEqual([{ start: 0, end: 0 }, { start: 2, end: 7 }, { start: 0, end: 0 }])
  const shown = (topic: typeof copy): unknown => topic.records().slice(-3).map(({ partition, offset, timestamp, keyBytes, bytes, headers }) => (
    [partition, offset, timestamp, keyBytes?.toString(), bytes?.toString(), headers]
  ))
  expect(shown(copy)).toEqual(shown(orders))
  await expect(kafka.import(fromCluster({ ...from, topics: ['nope'] }))).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' })
})

test('what groups of a Kafka had committed is there', async () => {
  const kafka = await startBroker({ from: folder('offsets') })
  const groups = await kafka.log.core.groups()
  expect(groups.list().length).toBeGreaterThan(3)
})

test('reset goes back to the folder, and topics beside it are made', async () => {
  const kafka = await startBroker({ from: folder('basic'), topics: { own: 2 } })
  const count = kafka.topic('basic').records().length
  kafka.topic('basic').append({ value: 'further', partition: 1 })
  await kafka.reset()
  expect(kafka.topic('basic').records()).toHaveLength(count)
  expect(kafka.topic('own').partitions).toBe(2)
  const fork = await kafka.fork()
  expect(fork.topic('basic').records()).toHaveLength(count)
  await fork.close()
})

test('a log of commitlog is what a broker begins with', async () => {
  const path = join(temporary, 'log')
  const log = await CommitLog.open(path)
  const topic = await log.topic<string, string>('orders')
  await topic.producer().send({ key: 'a', value: 'one' })
  await log.close()
  const kafka = await startBroker({ from: path })
  expect(kafka.topic('orders').records()).toHaveLength(1)
})

test('lines of dump --json keep partition, offset and time, with the gaps and the start', async () => {
  const lines = fixtureLines('compacted/expected.jsonl.gz')
  const kafka = await startBroker({ from: file('compacted.ndjson', `${lines.join('\n')}\n`) })
  for (const { topic, partition, offset, timestamp, key } of expectedRecords('compacted').values()) {
    const found = kafka.topic(topic).records({ partition, from: offset })[0]!
    expect([found.offset, found.timestamp, found.keyBytes?.toString('base64') ?? null]).toEqual([offset, timestamp, key])
  }
  const first = JSON.parse(lines[0]!) as { topic: string; offset: number }
  expect(kafka.topic(first.topic).offsets[0]!.start).toBe(first.offset)
})

test('clients read over gaps, and from the first offset on', async () => {
  const kafka = await startBroker()
  const items = [[7, 'a'], [100, 'b'], [5_000_000_000, 'c']] as const
  await kafka.import(items.map(([offset, value]) => ({ topic: 't', offset, value })))
  const { offsets } = kafka.topic('t')
  expect(offsets).toEqual([{ start: 7, end: 5_000_000_001 }])
  const raw = await client(kafka)
  expect((await fetchOne(raw, 't', { from: 8 })).errorCode).toBe(0)
  expect((await fetchOne(raw, 't', { from: 6 })).errorCode).toBe(1)
  kafka.topic('t').append({ value: 'd' })
  expect(kafka.topic('t').records().map((record) => [record.offset, record.text()])).toEqual([...items, [5_000_000_001, 'd']])
})

test('plain lines are records as append takes them', async () => {
  const kafka = await startBroker({ topics: { orders: 3 } })
  const path = file('plain.ndjson', [
    '{"topic":"orders","key":"o-1","value":{"total":12},"headers":{"trace":"a"},"timestamp":1700000000000}', '',
    '{"key":"o-1","value":null,"topic":"orders"}', '{"topic":"other","value":"text","headers":[["a","1"],["a",null]]}',
  ].join('\r\n'))
  expect(await kafka.import(path)).toEqual({ records: 3, topics: ['orders', 'other'], uncommitted: 0 })
  const [first, second] = kafka.topic('orders').records()
  expect([first!.json(), first!.timestamp, first!.header('trace'), second!.text()]).toEqual([{ total: 12 }, 1_700_000_000_000, 'a', null])
  expect(first!.partition).toBe(second!.partition)
  expect(kafka.topic('other').records()[0]!.headers.map(([name, value]) => [name, value?.toString() ?? null])).toEqual([['a', '1'], ['a', null]])
})

test('the output of kcat -J is imported, with bytes that are no text as kcat writes them', async () => {
  const kafka = await startBroker()
  const line = '{"topic":"t","partition":1,"offset":3,"tstype":"create","ts":1700000000001,"broker":0,' +
    '"headers":["h","v","n",null],"key":"k","payload":"\\u0000ä"}'
  const raw = Buffer.from('{"topic":"t","partition":1,"offset":4,"tstype":"create","ts":1,"broker":0,"key":null,"payload":"?\\n?"}')
  raw[raw.indexOf('?')] = 0xff
  raw[raw.lastIndexOf('?')] = 0xfe
  await kafka.import(file('kcat.json', Buffer.concat([Buffer.from(`${line}\n`), raw])))
  const [first, second] = kafka.topic('t').records({ partition: 1 })
  expect([first!.offset, first!.timestamp, first!.key, first!.text(), first!.header('n')]).toEqual([3, 1_700_000_000_001, 'k', '\0ä', null])
  expect([...second!.bytes!]).toEqual([0xff, 10, 0xfe])
})

test('records that were never committed are left out, unless they are asked for', async () => {
  const lines = fixtureLines('txn/expected.jsonl.gz')
  const aborted = lines.filter((line) => line.includes('"readCommitted":false')).length
  const kafka = await startBroker()
  expect(await kafka.import(lines)).toMatchObject({ records: lines.length - aborted, uncommitted: aborted })
  const other = await startBroker()
  expect(await other.import(lines, { uncommitted: true })).toMatchObject({ records: lines.length, uncommitted: 0 })
})

test('records that have a place already taken are refused, or come behind', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  kafka.topic('t').append([{ value: 'a' }, { value: 'b' }])
  const items = [{ topic: 'x', offset: 1, value: 'c' }, { topic: 'y', offset: 0, value: 'd' }]
  await expect(kafka.import(items, { topic: 't' })).rejects.toMatchObject({
    code: 'LOG_IMPORT_INVALID', message: expect.stringMatching(/^item 1: offset 1 of t-0, which is at 2/) as string,
  })
  await kafka.import(items, { topic: 't', offsets: 'new' })
  expect(kafka.topic('t').records().map((record) => [record.offset, record.text()])).toEqual([[0, 'a'], [1, 'b'], [2, 'c'], [3, 'd']])
})

const wrong: readonly (readonly [name: string, item: unknown, message: RegExp])[] = [
  ['text', 'nonsense', /^item 1: not JSON/], ['a list', '[]', /not an object/], ['no topic', { value: 'a' }, /names no topic/],
  ['no value', { topic: 't' }, /has a value/], ['an unknown field', { topic: 't', value: 1, vlaue: 2 }, /unknown .*"vlaue"/],
  ['a bad name', { topic: '..', value: 1 }, /topic/], ['an internal topic', { topic: '__consumer_offsets', value: 1 }, /the log's own/],
  ['a partition below zero', { topic: 't', partition: -1, value: 1 }, /partition is a whole number/],
  ['bytes that are no text', Buffer.from([0x7b, 0xff, 0x7d]), /not text in UTF-8/],
  ['a number', 7, /a record is an object/], ['headers that are none', { topic: 't', value: 1, headers: { a: 1 } }, /header "a"/],
]
for (const [name, item, message] of wrong) {
  test(`a record that cannot be is LOG_IMPORT_INVALID: ${name}`, async () => {
    const kafka = await startBroker()
    const error = { code: 'LOG_IMPORT_INVALID', message: expect.stringMatching(message) as string }
    await expect(kafka.import([item as ImportItem])).rejects.toMatchObject(error)
  })
}

test('a line of a file that is wrong is told by its number; a file that is not there, and a folder, are told at once', async () => {
  const kafka = await startBroker()
  const path = file('wrong.ndjson', '{"topic":"t","value":1}\n\n{"topic":"t"}\n')
  const message = `line 3 of ${path}: a record has a value, or null for a tombstone`
  await expect(kafka.import(path)).rejects.toMatchObject({ code: 'LOG_IMPORT_INVALID', message })
  await expect(kafka.import(join(temporary, 'none'))).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' })
  await expect(kafka.import(temporary)).rejects.toThrow(TypeError)
  await expect(kafka.import(7 as never)).rejects.toThrow(TypeError)
  await expect(kafka.import([], { offset: 'new' } as never)).rejects.toThrow('did you mean "offsets"?')
})

test('what is no log is no beginning, and a folder in memory has no dir', async () => {
  await expect(startBroker({ from: temporary })).rejects.toMatchObject({ code: 'LOG_NOT_A_LOG' })
  await expect(startBroker({ from: join(temporary, 'nowhere') })).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' })
  await expect(startBroker({ from: folder('basic'), dir: join(temporary, 'kept') })).rejects.toThrow(TypeError)
})
