/*
 * Lines of records into a log: what is kept of them, what is refused, and that no record gets there twice. That a killed import goes on is
 * tried in process.test.ts; the folders of brokers in test/topics/import-kafka.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { commitlog, type Ran } from '../tools/command.ts'

let root: string
let data: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-import-'))
  data = join(root, 'data')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Makes a log with gaps, empty and null parts, and headers. */
async function original(): Promise<string> {
  const folder = join(root, 'original')
  const log = await CommitLog.open(folder)
  const orders = await log.topic('orders', { partitions: 3, key: bytes, value: bytes })
  for (let number = 0; number < 100; number++) {
    const headers = number % 3 === 0 ? [['trace', Buffer.from(`${number}`)], ['none', null], ['trace', Buffer.alloc(0)]] as const : []
    const [key, value] = [number % 7 === 0 ? null : Buffer.from(`k${number}`), number % 5 === 0 ? null : Buffer.from(`v${number} ümläut`)]
    await orders.send({ key, value, headers, timestamp: 1000 + (number % 10), partition: number % 3 })
    // Each marker leaves a gap in the offsets.
    const committed = Buffer.from('in a transaction')
    if (number % 10 === 0) await log.transaction((tx) => tx.send(orders, { value: committed, partition: number % 3, timestamp: 7 }))
  }
  const aborted = await log.beginTransaction()
  await aborted.send(orders, { value: Buffer.from('aborted'), partition: 0 })
  await aborted.abort()
  await (await log.topic('other', { key: bytes, value: bytes })).send({ key: Buffer.from('k'), value: Buffer.alloc(0), timestamp: 5 })
  await log.close()
  return folder
}

/** What the records of a log say, without what another log has otherwise: offsets and epochs. */
async function contents(folder: string): Promise<unknown[]> {
  const { code, err, lines } = await commitlog(['export', folder])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return lines.map((line) => ({ ...(JSON.parse(line) as object), offset: undefined, leaderEpoch: undefined }))
}

const line = (offset: number, more: object = {}): string => JSON.stringify({ topic: 't', partition: 0, offset, timestamp: 1, value: 'dg==', ...more })
const given = (...list: string[]): { input: string[] } => ({ input: [`${list.join('\n')}\n`] })
const imported = (options: { input: string[] }, ...words: string[]): Promise<Ran> => commitlog(['import', '-', data, ...words], options)

describe('what is imported', () => {
  for (const form of ['dump', 'kcat']) {
    test(`is all that was exported in the form of ${form}, in its partitions, with its times and headers`, async () => {
      const folder = await original()
      const file = join(root, 'lines')
      expect((await commitlog(['export', folder, '--format', form, '--output', file])).code).toBe(0)
      expect(await commitlog(['import', file, data])).toMatchObject({ code: 0, err: '', out: '111 records stored\n' })
      expect(await contents(data)).toEqual(await contents(folder))
      expect(await commitlog(['import', file, data])).toMatchObject({ code: 0, err: '', out: '0 records stored, 111 were there already\n' })
      expect(await contents(data)).toEqual(await contents(folder))
    })
  }

  test('are lines of both forms, told apart one by one, from stdin', async () => {
    const kcat = '{"topic":"t","partition":1,"offset":5,"key":"k","payload":"text","headers":["a","1","b",null]}'
    expect(await imported(given(line(0), kcat, '', line(3, { key: 'aw==', headers: [{ key: 'h', value: 'MQ==' }] }))))
      .toMatchObject({ code: 0, err: '', out: '3 records stored\n' })
    const log = await CommitLog.open(data, { readOnly: true })
    const topic = await log.topic('t', { create: false, key: bytes, value: bytes })
    const found = topic.partitions.map((partition) => [...partition.read()].map(({ key, value, headers, timestamp }) => (
      { key: key && String(Buffer.from(key)), value: value && String(Buffer.from(value)), headers: headers.length, timestamp }
    )))
    await log.close()
    expect(found).toEqual([
      [{ key: null, value: 'v', headers: 0, timestamp: 1 }, { key: 'k', value: 'v', headers: 1, timestamp: 1 }],
      [{ key: 'k', value: 'text', headers: 2, timestamp: -1 }],
    ])
  })

  test('gets into another topic when one is named', async () => {
    const { out } = await imported(given(line(0), line(1)), '--topic', 'renamed', '--partitions', '2', '--json')
    expect(JSON.parse(out)).toMatchObject({ records: 2, there: 0, uncommitted: 0, topics: ['renamed'] })
    const { lines } = await commitlog(['topics', data, '--json', '--topic', 'renamed'])
    expect(JSON.parse(lines[0]!)).toMatchObject({ partitions: [{ partition: 0, nextOffset: 2 + 1 }, { partition: 1, nextOffset: 0 }] })
  })

  test('goes on behind what was imported before, by the offsets in the lines, as each id has it', async () => {
    await imported(given(line(0), line(4)))
    expect((await imported(given(line(0), line(4), line(5)))).out).toBe('1 record stored, 2 were there already\n')
    expect((await imported(given(line(0)), '--id', 'another')).out).toBe('1 record stored\n')
  })

  test('leaves out what is not committed, unless that is asked for', async () => {
    const list = [line(0, { readCommitted: false }), line(1, { readCommitted: true })]
    expect((await imported(given(...list))).out).toBe('1 record stored, 1 that is not committed left out\n')
    expect((await imported(given(...list), '--id', 'all', '--uncommitted')).out).toBe('2 records stored\n')
  })

  test('grows topics that are there, and keeps their codecs', async () => {
    await commitlog(['produce', data, 't', '--codec', 'json'], { input: ['1\n'] })
    expect(await imported(given(line(0, { partition: 2, value: 'Mg==' })))).toMatchObject({ code: 0, err: '' })
    const log = await CommitLog.open(data, { readOnly: true })
    const topic = await log.topic<string, unknown>('t', { create: false })
    expect(topic.partitions.flatMap((partition) => [...partition.read()].map(({ value }) => value))).toEqual([1, 2])
    await log.close()
  })
})

describe('a line that is wrong ends the import with its number; what is before it is stored, and nothing behind it', () => {
  for (const [bad, message, words] of [
    ['{', 'not JSON: '],
    ['[]', 'not an object'],
    ['{"topic":"t"}', 'neither "value", as dump --json has it, nor "payload", as kcat has it'],
    [line(2, { topic: 7 }), 'topic is text, not 7'],
    [line(2, { topic: 'a/b' }), 'a/b'],
    [line(2, { topic: '__consumer_offsets' }), 'topic "__consumer_offsets" is the log\'s own'],
    [line(-1), 'offset is a whole number from 0 on, not -1'],
    [line(2, { partition: 1.5 }), 'partition is a whole number from 0 on, not 1.5'],
    [line(2, { partition: 3 }), 'partition 3 of topic "t": there are to be 2 at most', '--partitions', '2'],
    [line(2, { timestamp: '1' }), 'timestamp is a whole number from -1 on, not "1"'],
    [line(2, { value: 'no base64!' }), 'value is not base64: "no base64!"'],
    [line(2, { headers: [{}] }), 'the key of a header is text, not nothing'],
    [line(1), 'offset 1 of t-0 behind 1: offsets of a partition rise'],
    ['{"topic":"t","partition":0,"offset":2,"payload":1}', 'payload is text, not 1'],
    ['{"topic":"t","partition":0,"offset":2,"payload":"","headers":["a"]}', 'headers are names and values in turn: one value is missing'],
    [line(2, { topic: 'u' }), 'topic "u" behind "t": --topic is for lines of one topic', '--topic', 'one'],
  ].map(([text, reason, ...rest]) => [text!, reason!, rest] as const)) test(`${message}`, async () => {
    const { code, out, err } = await imported(given(line(0), line(1), bad, line(9)), ...words)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(`commitlog import: line 3: `)
    expect(err).toContain(message)
    expect(err).toMatch(/; 2 records were stored\n$/)
    expect(await contents(data)).toHaveLength(2)
    // Made right, the same lines go on.
    expect((await imported(given(line(0), line(1), line(2), line(9)), ...words)).out).toBe('2 records stored, 2 were there already\n')
  })

  test('a record that the log does not take', async () => {
    const large = line(1, { value: Buffer.alloc(2_000_000).toString('base64') })
    const { code, err } = await imported(given(line(0), large, line(2)))
    expect(code).toBe(1)
    expect(err).toMatch(/^commitlog import: line 2: .*; 1 record was stored \(LOG_RECORD_TOO_LARGE\)\n$/)
    expect(await contents(data)).toHaveLength(1)
  })
})

test('an import that the user ends is ended with 130, and goes on', async () => {
  const list = Array.from({ length: 50 }, (_, offset) => line(offset))
  const ending = new AbortController()
  const input = (async function* () {
    yield `${list.slice(0, 20).join('\n')}\n`
    await new Promise((resolve) => setImmediate(resolve))
    ending.abort(new Error('enough'))
    yield `${list.slice(20).join('\n')}\n`
  })()
  expect((await commitlog(['import', '-', data], { input, signal: ending.signal })).code).toBe(130)
  expect((await imported(given(...list))).code).toBe(0)
  expect(await contents(data)).toHaveLength(50)
})

describe('the folder of a broker', () => {
  const offsets = fileURLToPath(new URL('../fixtures/kafka-4.1/root/log', import.meta.url))

  test('becomes a log, once', async () => {
    const { code, err, lines } = await commitlog(['import', offsets, data])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(lines[0]).toMatch(/^1 topic, 3 partitions, [\d.]+ KiB, \d+ records, checked: /)
    expect(lines[1]).toBe('without __cluster_metadata: topics have no settings of their own')
    expect(await contents(data)).toEqual(await contents(offsets))
    expect(await commitlog(['import', offsets, data])).toMatchObject({ code: 2, out: '' })
  })

  test('as JSON is a line for each partition and one for the rest', async () => {
    const { lines } = await commitlog(['import', offsets, data, '--json'])
    expect(lines.map((text) => JSON.parse(text) as unknown)).toMatchObject([
      { topic: 'orders', partition: 0 }, { topic: 'orders', partition: 1 }, { topic: 'orders', partition: 2 },
      { partitions: 3, metadata: false, ignored: [], elsewhere: [] },
    ])
  })

  for (const { name, words, message } of [
    { name: 'options of lines', words: [offsets, 'DATA', '--id', 'x'], message: '--id is for lines, and ' },
    { name: 'no file', words: ['DATA/none', 'DATA'], message: 'there is no file or folder ' },
    { name: 'a folder inside itself', words: ['ROOT', 'DATA'], message: ' lie inside each other' },
  ]) test(`${name}: one line and code 2`, async () => {
    const { code, out, err } = await commitlog(['import', ...words.map((word) => word.replace('DATA', data).replace('ROOT', root))])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
  })
})

test('a large import is stored a part at a time', async () => {
  const file = join(root, 'large')
  const value = Buffer.alloc(1000).toString('base64')
  writeFileSync(file, Array.from({ length: 20_000 }, (_, offset) => `${line(offset, { value })}\n`).join(''))
  const { out, err } = await commitlog(['import', file, data], { columns: 80 })
  expect(out).toBe('20,000 records stored\n')
  expect(err).toMatch(/█+░* [\d.]+ MiB of [\d.]+ MiB, [\d,]+ records stored/)
  const { lines } = await commitlog(['topics', data, '--json', '--topic', 't'])
  // Several markers.
  expect((JSON.parse(lines[0]!) as { partitions: [{ nextOffset: number }] }).partitions[0].nextOffset).toBeGreaterThan(20_002)
})
