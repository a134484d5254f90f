/*
 * Records through the command: produced, shown, followed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { commitlog } from '../tools/command.ts'

let folder: string

beforeEach(() => { folder = join(mkdtempSync(join(tmpdir(), 'commitlog-cli-')), 'log') })
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

interface Line {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** What `dump --json` says, keys and values as text. */
async function dumped(...words: string[]): Promise<Line[]> {
  const text = (base64: string | null): string | null => (base64 === null ? null : Buffer.from(base64, 'base64').toString())
  const { lines } = await commitlog(['dump', '--json', folder, ...words])
  return lines.map((line) => JSON.parse(line) as Line).map((record) => ({ ...record, key: text(record.key), value: text(record.value) }))
}

async function produce(input: readonly (string | Uint8Array)[], ...words: string[]): Promise<string> {
  const { code, out, err } = await commitlog(['produce', folder, 't', ...words], { input })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return out
}

describe('produce', () => {
  test('stores a record for each line, in order, however the lines arrive', async () => {
    expect(await produce(['one\ntw', 'o\n\nthr', Buffer.from('ee\r\nfour')])).toBe('5 records stored\n')
    const found = await dumped()
    expect(found.map(({ value }) => value)).toEqual(['one', 'two', '', 'three', 'four'])
    expect(found.every(({ key }) => key === null)).toBe(true)
  })

  test('takes keys from the lines, and null for what stands for it', async () => {
    await produce(['a: 1\nb: -\n-: 3\n'], '--key-separator', ': ', '--null', '-')
    expect((await dumped()).map(({ key, value }) => [key, value])).toEqual([['a', '1'], ['b', null], [null, '3']])
  })

  test('sends to one partition when told', async () => {
    await produce(['1\n2\n'], '--partitions', '3', '--partition', '1')
    expect((await dumped()).map(({ partition, offset }) => [partition, offset])).toEqual([[1, 0], [1, 1]])
  })

  test('goes on with a topic that is there, in its codec', async () => {
    const log = await CommitLog.open(folder)
    const topic = await log.topic<string, unknown>('t')
    await topic.send({ key: 'k', value: { n: 1 } })
    await log.close()
    await produce(['{"n":2}\n'])
    const again = await CommitLog.open(folder)
    const found = await again.topic<string, unknown>('t')
    expect([...found.partition(0).read()].map((record) => record.value)).toEqual([{ n: 1 }, { n: 2 }])
    await again.close()
  })

  test('keeps bytes as they are where the codec is bytes', async () => {
    await produce([Buffer.from([0xff, 0xfe, 0x00, 0x0a])], '--codec', 'bytes')
    const { lines } = await commitlog(['dump', '--json', folder])
    expect((JSON.parse(lines[0]!) as Line).value).toBe(Buffer.from([0xff, 0xfe, 0x00]).toString('base64'))
  })

  for (const { name, input, words, message } of [
    { name: 'a line without the separator', input: 'a=1\nb\nc=3\n', words: ['--key-separator', '='], message: 'line 2 has no "=" in it' },
    { name: 'a line that is not JSON', input: '1\n{\n', words: ['--codec', 'json'], message: 'line 2 is not JSON' },
    { name: 'a line that is not UTF-8', input: Buffer.from([0x31, 0x0a, 0xff, 0x0a]), words: [], message: 'line 2 is not text in UTF-8' },
  ]) test(`ends with 1 at ${name}, and what came before is stored`, async () => {
    const { code, err } = await commitlog(['produce', folder, 't', ...words], { input: [input] })
    expect(code).toBe(1)
    expect(err).toContain(message)
    expect(err).toMatch(/; 1 record was stored\n$/)
    expect(await dumped()).toHaveLength(1)
  })

  test('a line that is too large is one sentence, with what was stored all the same', async () => {
    const { code, out, err } = await commitlog(['produce', folder, 't'], { input: [`one\n${'x'.repeat(2_000_000)}\nthree\n`] })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/^commitlog produce: [^;]*maxMessageBytes[^;]*; 2 records were stored \(LOG_RECORD_TOO_LARGE\)\n$/)
    expect(await dumped()).toHaveLength(2)
  })

  test('stores what it read when the user ends it', async () => {
    const ending = new AbortController()
    const input = (async function* () {
      yield 'one\ntwo\n'
      await new Promise((resolve) => setImmediate(resolve))
      ending.abort(new Error('enough'))
      yield 'three\n'
    })()
    expect((await commitlog(['produce', folder, 't'], { input, signal: ending.signal })).code).toBe(130)
    expect((await dumped()).map(({ value }) => value).slice(0, 2)).toEqual(['one', 'two'])
  })

  test('a folder that is held by somebody is named with who holds it', async () => {
    await produce(['1\n'])
    const before = await CommitLog.open(folder)
    const { code, err } = await commitlog(['repair', folder, '--yes'])
    expect(code).toBe(1)
    expect(err).toMatch(new RegExp(`is open for writing: process ${process.pid} on .* wait for it with --wait SECONDS \\(LOG_LOCKED\\)`))
    expect(err).not.toContain('waitMs')
    await before.close()
  })
})

describe('dump', () => {
  test('shows a range', async () => {
    await produce(['0\n1\n2\n3\n4\n'])
    expect((await dumped('--from', '1', '--to', '3')).map(({ offset }) => offset)).toEqual([1, 2])
    expect(await dumped('--from', '99')).toEqual([])
  })

  test('shows a range for people record by record, also within a batch', async () => {
    await produce(['v0\nv1\nv2\nv3\nv4\n'])
    const { lines } = await commitlog(['dump', folder, '--from', '1', '--to', '3'])
    expect(lines.filter((line) => /v\d$/.test(line)).map((line) => line.slice(-2))).toEqual(['v1', 'v2'])
  })

  test('shows the batches of a partition by its folder, with values decoded', async () => {
    await produce(['{"a":1}\n'], '--codec', 'json')
    const { lines } = await commitlog(['dump', join(folder, 't-0')])
    expect(lines[0]).toMatch(/^t-0 {2}1 segment/)
    expect(lines.at(-1)).toContain('{"a":1}')
    expect((await commitlog(['dump', folder, '--batches'])).lines.at(-1)).toMatch(/offsets 0\.\.0 {2}1 record/)
  })

  test('prints nothing that a terminal would obey', async () => {
    await produce(['\x1b[31mred\x07\n'])
    for (const words of [['dump', folder], ['tail', folder, 't']]) expect((await commitlog(words)).out).not.toContain('\x1b')
  })

  test('fits a terminal', async () => {
    await produce([`${'long '.repeat(100)}\n`])
    const { lines } = await commitlog(['dump', folder], { columns: 80, env: { NO_COLOR: '1' } })
    for (const line of lines.slice(3)) expect(line.length).toBeLessThanOrEqual(80)
  })
})

describe('tail', () => {
  test('shows the last records, and those of one partition', async () => {
    await produce([Array.from({ length: 30 }, (_, number) => `value ${number}\n`).join('')])
    expect((await commitlog(['tail', folder, 't'])).lines).toHaveLength(10)
    const three = (await commitlog(['tail', folder, 't', '-n', '3'])).lines
    expect(three.map((line) => line.split('  ').at(-1))).toEqual(['value 27', 'value 28', 'value 29'])
    expect((await commitlog(['tail', folder, 't', '--from', 'earliest'])).lines).toHaveLength(30)
    expect((await commitlog(['tail', folder, 't', '--from', '28', '--json'])).lines).toHaveLength(2)
    expect((await commitlog(['tail', folder, 't', '--from', '2001-01-01'])).lines).toHaveLength(30)
    expect((await commitlog(['tail', folder, 't', '--from', 'latest'])).lines).toHaveLength(0)
  })

  test('follows a writer until the user has seen enough', async () => {
    const log = await CommitLog.open(folder)
    const topic = await log.topic<string, unknown>('t')
    await topic.send({ key: 'k', value: 'first' })
    const ending = new AbortController()
    let seen = ''
    const following = commitlog(['tail', '--follow', folder, 't'], {
      signal: ending.signal,
      onOutput(text) {
        seen += text
        if (seen.includes('first') && !seen.includes('second')) void topic.send({ key: 'k', value: 'second' })
        if (seen.includes('second')) ending.abort(new Error('enough'))
      },
    })
    expect(await following).toMatchObject({ code: 0, err: '' })
    expect(seen.trimEnd().split('\n')).toHaveLength(2)
    await log.close()
  })
})
