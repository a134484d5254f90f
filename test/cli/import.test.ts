/*
 * Lines of records into a log: what is kept of them, what is refused, and that no record gets there twice. That a killed import goes on is
 * tried in process.test.ts; the folders of brokers in test/topics/import-kafka.test.ts.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytes, json, string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
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

/** What the records of a log say, without what another log has otherwise: its ids, offsets and epochs. */
async function contents(folder: string): Promise<unknown[]> {
  const { code, err, lines } = await commitlog(['export', folder])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return lines.map((line) => ({ ...(JSON.parse(line) as object), offset: undefined, leaderEpoch: undefined, source: undefined }))
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

  test('of two logs that have topics of the same names is all of both', async () => {
    for (const [name, values] of [['A', ['1', '2', '3']], ['B', ['101', '102']]] as const) {
      await commitlog(['produce', join(root, name), 't'], { input: [`${values.join('\n')}\n`] })
      await commitlog(['export', join(root, name), '--output', join(root, `${name}.lines`)])
    }
    expect(await commitlog(['import', join(root, 'A.lines'), data])).toMatchObject({ code: 0, out: '3 records stored\n' })
    expect(await commitlog(['import', join(root, 'B.lines'), data])).toMatchObject({ code: 0, out: '2 records stored\n' })
    for (const name of ['A', 'B']) expect((await commitlog(['import', join(root, `${name}.lines`), data])).out).toContain('0 records stored, ')
    const { lines } = await commitlog(['tail', data, 't', '--json'])
    const values = lines.map((text) => Buffer.from((JSON.parse(text) as { value: string }).value, 'base64').toString())
    expect(values).toEqual(['1', '2', '3', '101', '102'])
    // One behind the other, too.
    const both = [readFileSync(join(root, 'A.lines'), 'utf8'), readFileSync(join(root, 'B.lines'), 'utf8')]
    expect((await commitlog(['import', '-', join(root, 'both')], { input: both })).out).toBe('5 records stored\n')
  })

  test('is not passed over because of other records with its offsets: that ends the import', async () => {
    expect((await imported(given(line(3), line(5), line(8)))).out).toBe('3 records stored\n')
    const other = { value: 'b3RoZXI=' }
    for (const [list, message] of [
      [[line(3, other), line(5)], 'line 1: offset 3 of t-0 is another record than the one that was imported (the group commitlog-import keeps that)'],
      [[line(8, other), line(9)], 'line 1: offset 8 of t-0 is another record than the one that was imported'],
      [[line(0)], 'line 1: offset 0 of t-0 was not imported: what was begins with 3'],
      [[line(5)], '1 line passed over since the group commitlog-import is behind it: nothing tells whether these are the records that were imported'],
    ] as const) {
      const { code, err } = await imported(given(...list))
      expect(code).toBe(1)
      expect(err).toContain(message)
      expect(err).toContain('--id NAME')
    }
    expect(await contents(data)).toHaveLength(3)
    expect(await imported(given(line(3), line(5)))).toMatchObject({ code: 0, err: '', out: '0 records stored, 2 were there already\n' })
  })

  test('is not passed over because a topic of its name was imported before', async () => {
    const folder = join(root, 'original')
    const exported = async (): Promise<string[]> => [(await commitlog(['export', folder])).out]
    await commitlog(['produce', folder, 't'], { input: ['1\n2\n'] })
    await commitlog(['import', '-', data], { input: await exported() })
    await commitlog(['topics', folder, '--delete', 't', '--yes'])
    await commitlog(['produce', folder, 't'], { input: ['3\n'] })
    const again = await commitlog(['import', '-', data], { input: await exported() })
    expect(again).toMatchObject({ code: 1, out: '' })
    expect(again.err).toContain('topic "t" is another one than that which was imported, of the same name')
    expect((await commitlog(['import', '-', data, '--id', 'second'], { input: await exported() })).out).toBe('1 record stored\n')
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

describe('topics that are new', () => {
  /** A log with a compacted topic of json, one of a client that named no codecs, and one that deletes. */
  async function various(): Promise<string> {
    const folder = join(root, 'various')
    const log = await CommitLog.open(folder)
    const things = defineTopic('things', { partitions: 2, key: string, value: json<number>(), cleanupPolicy: 'compact', segmentBytes: 4096 })
    await (await log.topic(things)).send({ key: 'k', value: 1, partition: 0 })
    await (await log.plainTopic('wire', { partitions: 1, key: undefined, value: undefined, settings: {} })).send({ value: Buffer.from('w') })
    await (await log.topic('short', { value: string, retentionMs: 1000 })).send({ value: 's' })
    await log.close()
    return folder
  }
  async function listed(): Promise<unknown[]> {
    const { lines } = await commitlog(['topics', data, '--json'])
    return lines.filter((text) => !text.includes('"__')).map((text) => {
      const { topic, key, value, settings, partitions } = JSON.parse(text) as Record<string, unknown>
      return { topic, key, value, settings, partitions: (partitions as unknown[]).length }
    })
  }

  for (const form of ['dump', 'kcat']) {
    test(`are made with the partitions, codecs and settings of those that the lines are of, in the form of ${form}`, async () => {
      const { out } = await commitlog(['export', await various(), '--format', form])
      const { code, err } = await commitlog(['import', '-', data], { input: [out] })
      expect({ code, err }).toEqual({
        code: 0, err: 'topic "short" has retention.ms=1000, as where its records come from: those that are past it are deleted here, too\n',
      })
      expect(await listed()).toEqual([
        { topic: 'short', key: 'string', value: 'string', settings: { retentionMs: 1000 }, partitions: 1 },
        { topic: 'things', key: 'string', value: 'json', settings: { cleanupPolicy: 'compact', segmentBytes: 4096 }, partitions: 2 },
        { topic: 'wire', key: null, value: null, settings: {}, partitions: 1 },
      ])
      // Codecs that nobody named are not named by a second one, either.
      expect((await commitlog(['import', '-', data, '--id', 'second'], { input: [out] })).code).toBe(0)
      expect(await listed()).toContainEqual({ topic: 'wire', key: null, value: null, settings: {}, partitions: 1 })
    })
  }

  test('have default settings when that is asked for, and open codecs when lines say nothing', async () => {
    const { out } = await commitlog(['export', await various(), '--topic', 'short'])
    expect((await commitlog(['import', '-', data, '--no-settings'], { input: [out] })).err).toBe('')
    await imported(given(line(0)))
    expect(await listed()).toEqual([
      { topic: 'short', key: 'string', value: 'string', settings: {}, partitions: 1 },
      { topic: 't', key: null, value: null, settings: {}, partitions: 1 },
    ])
    const log = await CommitLog.open(data)
    const topic = await log.topic(defineTopic('t', { key: string, value: string }))
    expect([...topic.partition(0).read()].map(({ value }) => value)).toEqual(['v'])
    await log.close()
  })

  test('that are there with another codec take no records of it', async () => {
    const { out } = await commitlog(['export', await various(), '--topic', 'things'])
    await commitlog(['produce', data, 'things', '--codec', 'string'], { input: ['text\n'] })
    const { code, err } = await commitlog(['import', '-', data], { input: [out] })
    expect(code).toBe(1)
    expect(err).toContain('line 1: the values of topic "things" are written by the codec "string", those of the lines by "json"')
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
