/*
 * Records as lines of JSON for other tools: what is exported, in which form, and how an interrupted export goes on.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formLine } from '../../src/cli/record-forms.ts'
import { type PlainRecord } from '../../src/cli/text.ts'
import { parseFormLine } from '../../src/topics/lines/parse-line.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { commitlog } from '../tools/command.ts'

let root: string
let data: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-export-'))
  data = join(root, 'data')
  const log = await CommitLog.open(data)
  const orders = await log.topic('orders', { partitions: 3, key: bytes, value: bytes })
  for (let number = 0; number < 300; number++) {
    const key = number % 7 === 0 ? null : Buffer.from(`k${number % 20}`)
    const headers = number % 3 === 0 ? [['trace', Buffer.from(`${number}`)], ['none', null]] as const : []
    const value = number % 11 === 0 ? null : Buffer.from(`value ${number}`)
    orders.partition(number % 3).append({ key, value, headers, timestamp: 1000 + number })
  }
  const raw = await log.topic('raw', { key: bytes, value: bytes })
  await raw.send([{ value: Buffer.from([0xff, 0x00]) }, { value: Buffer.alloc(0) }])
  const kept = await log.topic('kept', { key: bytes, value: bytes })
  const other = await log.topic('other', { key: bytes, value: bytes })
  await log.transaction(async (tx) => {
    for (const topic of [kept, other]) await tx.send(topic, { value: Buffer.from('committed') })
  })
  const aborted = await log.beginTransaction()
  await aborted.send(kept, { value: Buffer.from('aborted') })
  await aborted.abort()
  await kept.send({ value: Buffer.from('plain') })
  await log.close()
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

/** What `dump --json` says of records that a committed reader gets. */
async function dumped(...words: string[]): Promise<string[]> {
  const { lines } = await commitlog(['dump', '--json', data, ...words])
  return lines.filter((line) => line.endsWith('"readCommitted":true}') && !line.startsWith('{"topic":"__'))
}

/** A line without what the first of a topic says of the topic; that it is there on those, and on no others. */
function withoutSources(lines: readonly string[]): string[] {
  const seen = new Set<string>()
  return lines.map((line) => {
    const { topic, source } = JSON.parse(line) as { topic: string; source?: { partitions: number } }
    expect(source === undefined).toBe(seen.has(topic))
    seen.add(topic)
    return source === undefined ? line : line.replace(`,"source":${JSON.stringify(source)}`, '')
  })
}

describe('what is exported', () => {
  test('is what dump --json gives of committed records, without the log\'s own topics; the first of a topic says what it is of', async () => {
    const { code, err, lines } = await commitlog(['export', data])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(withoutSources(lines)).toEqual(await dumped())
  })

  test('is a topic, a partition, a range', async () => {
    expect(withoutSources((await commitlog(['export', data, '--topic', 'orders', '--partition', '1', '--from', '10', '--to', '20'])).lines))
      .toEqual(await dumped('--topic', 'orders', '--partition', '1', '--from', '10', '--to', '20'))
    expect((await commitlog(['export', data, '--topic', 'orders', '--from', '1000'])).lines).toEqual([])
  })

  test('is also what was aborted, when that is asked for, and says so', async () => {
    const { lines } = await commitlog(['export', data, '--topic', 'kept', '--uncommitted'])
    expect(withoutSources(lines)).toEqual((await commitlog(['dump', '--json', data, '--topic', 'kept'])).lines)
    expect(lines.map((line) => (JSON.parse(line) as { readCommitted: boolean }).readCommitted)).toEqual([true, false, true])
  })

  test('has the form of kcat when that is asked for', async () => {
    const { lines } = await commitlog(['export', data, '--format', 'kcat', '--topic', 'orders', '--partition', '0', '--to', '2'])
    const place = (offset: number): string => `{"topic":"orders","partition":0,"offset":${offset}`
    expect(withoutSources(lines)).toEqual([
      `${place(0)},"tstype":"create","ts":1000,"broker":-1,"headers":["trace","0","none",null],"key":null,"payload":null}`,
      `${place(1)},"tstype":"create","ts":1003,"broker":-1,"headers":["trace","3","none",null],"key":"k3","payload":"value 3"}`,
    ])
  })

  test('never loses what kcat\'s form cannot say: the record is named', async () => {
    const { code, err } = await commitlog(['export', data, '--format', 'kcat', '--topic', 'raw'])
    expect({ code, err }).toEqual({
      code: 1, err: 'commitlog export: the value at offset 0 of raw-0 is not text in UTF-8, and kcat\'s form has nothing else: use --format dump\n',
    })
  })
})

describe('an export to a file', () => {
  test('says what it wrote, and writes over nothing', async () => {
    const path = join(root, 'said')
    const { code, out, err } = await commitlog(['export', data, '-o', path])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^305 records, [\d.]+ KiB: /)
    expect(readFileSync(path, 'utf8')).toBe((await commitlog(['export', data])).out)
    expect(await commitlog(['export', data, '-o', path])).toMatchObject({ code: 2, out: '' })
    const again = await commitlog(['export', data, '-o', path, '--resume', '--json'])
    expect(JSON.parse(again.out)).toMatchObject({ file: path, records: 0, bytes: readFileSync(path).length })
  })

  for (const form of ['dump', 'kcat']) {
    test(`goes on wherever it was interrupted, and gives the same file (${form})`, async () => {
      const words = ['export', data, '--format', form, ...(form === 'kcat' ? ['--topic', 'orders'] : [])]
      const whole = Buffer.from((await commitlog(words)).out)
      const path = join(root, `resumed-${form}`)
      const lineEnds = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1)
      const near = [0, 1, lineEnds[0]! - 1, lineEnds[0]!, lineEnds[99]!, lineEnds[100]! + 20, whole.length - 1, whole.length]
      const places = fc.sample(fc.integer({ min: 0, max: whole.length }), { numRuns: 20, seed: 7 })
      for (const place of [...near, ...places]) {
        writeFileSync(path, whole.subarray(0, place))
        const { code, err } = await commitlog([...words, '--output', path, '--resume'])
        expect({ place, code, err }).toEqual({ place, code: 0, err: '' })
        expect({ place, same: readFileSync(path).equals(whole) }).toEqual({ place, same: true })
      }
    })
  }

  test('goes on where a power cut left zeros', async () => {
    const whole = Buffer.from((await commitlog(['export', data])).out)
    const path = join(root, 'zeros')
    const lineEnd = whole.indexOf(0x0a) + 1
    for (const place of [0, 4, lineEnd, lineEnd + 30]) {
      writeFileSync(path, Buffer.concat([whole.subarray(0, place), Buffer.alloc(4096)]))
      const { code, err } = await commitlog(['export', data, '--output', path, '--resume'])
      expect({ place, code, err }).toEqual({ place, code: 0, err: '' })
      expect({ place, same: readFileSync(path).equals(whole) }).toEqual({ place, same: true })
    }
  })

  for (const { name, contents, words, message } of [
    { name: 'of something else', contents: 'hello\n', words: [], message: /the last line of .* is no record of an export: not JSON/ },
    { name: 'without a whole line', contents: 'hello', words: [], message: /at the end of .* is no part of a line of an export/ },
    {
      name: 'of another topic', contents: '{"topic":"x","partition":0,"offset":1,"timestamp":1,"value":null}\n', words: [],
      message: /is of x-0, which is not exported here/,
    },
    {
      name: 'of another form', contents: '{"topic":"raw","partition":0,"offset":0,"payload":"a"}\n', words: ['--topic', 'raw'],
      message: /was written with --format kcat/,
    },
  ]) test(`does not go on with a file ${name}, and leaves it alone`, async () => {
    const path = join(root, 'other')
    writeFileSync(path, contents)
    const { code, err } = await commitlog(['export', data, '--output', path, '--resume', ...words])
    expect(code).toBe(2)
    expect(err).toMatch(message)
    expect(readFileSync(path, 'utf8')).toBe(contents)
  })

  test('ends with 130 when the user ends it, and goes on after that', async () => {
    const path = join(root, 'ended')
    const ended = await commitlog(['export', data, '--output', path], { signal: AbortSignal.abort(new Error('enough')) })
    expect(ended).toMatchObject({ code: 130, out: '' })
    expect((await commitlog(['export', data, '--output', path, '--resume'])).code).toBe(0)
    expect(readFileSync(path, 'utf8')).toBe((await commitlog(['export', data])).out)
  })
})

test('what is written in a form is read back as it was', () => {
  const content = (text: boolean): fc.Arbitrary<Buffer | null> => fc.option(
    text ? fc.string({ unit: 'binary' }).map((string) => Buffer.from(string)) : fc.uint8Array().map((array) => Buffer.from(array)),
  )
  const record = (text: boolean): fc.Arbitrary<PlainRecord> => fc.record({
    topic: fc.stringMatching(/^[a-z]{1,9}$/), partition: fc.nat(), offset: fc.maxSafeNat(), timestamp: fc.integer({ min: -1, max: 2e12 }),
    timestampType: fc.constantFrom('CreateTime' as const, 'LogAppendTime' as const), key: content(text), value: content(text),
    headers: fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), content(text))), leaderEpoch: fc.nat(),
  })
  for (const form of ['dump', 'kcat'] as const) {
    fc.assert(fc.property(record(form === 'kcat'), (given) => {
      const { topic, partition, offset, timestamp, key, value, headers } = given
      expect(parseFormLine(Buffer.from(formLine(form, given, true))))
        .toEqual({ form, topic, partition, offset, timestamp, key, value, headers: headers.map(([name, bytes]) => [name, bytes]), committed: true })
    }))
  }
})
