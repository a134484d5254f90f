/*
 * Compaction and dead letters through the command.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { commitlog, type Ran } from '../tools/command.ts'

let root: string
let data: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-compact-'))
  data = join(root, 'data')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Keys and values that are left in a topic. */
async function left(name: string): Promise<[string | null, unknown][]> {
  const log = await CommitLog.open(data, { readOnly: true })
  const topic = await log.topic(name, { create: false })
  const found = topic.partitions.flatMap((partition) => [...partition.read()].map(({ key, value }): [string | null, unknown] => [key, value]))
  await log.close()
  return found
}

describe('compact', () => {
  beforeEach(async () => {
    for (const name of ['prices', 'stock']) await commitlog(['topics', data, '--create', name, '--set', 'cleanup.policy=compact'])
    const input = [Array.from({ length: 1000 }, (_, number) => `k${number % 10}=${number}\n`).join('')]
    for (const name of ['prices', 'stock', 'events']) await commitlog(['produce', data, name, '--key-separator', '='], { input })
  })

  const last = Array.from({ length: 10 }, (_, key) => [`k${key}`, String(990 + key)])

  test('leaves the last record of each key in compacted topics, all of the others, and says what that gave', async () => {
    const { code, err, lines } = await commitlog(['compact', data])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(lines).toHaveLength(3)
    expect(lines[1]).toMatch(/^prices +0 +[\d.]+ \w+ +[\d.]+ \w+ +1,000 +10 +10 +\d+ ms$/)
    expect(await left('prices')).toEqual(last)
    expect(await left('stock')).toEqual(last)
    expect(await left('events')).toHaveLength(1000)
    expect((await commitlog(['verify', data])).code).toBe(0)
  })

  test('of one topic, as JSON', async () => {
    const { code, lines } = await commitlog(['compact', data, '--topic', 'stock', '--json'])
    expect(code).toBe(0)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { topic: 'stock', partition: 0, recordsBefore: 1000, recordsAfter: 10, keys: 10 },
    ])
    expect(await left('prices')).toHaveLength(1000)
  })

  test('refuses a topic that is not compacted, and one that is not there', async () => {
    const refused = await commitlog(['compact', data, '--topic', 'events'])
    expect(refused).toMatchObject({ code: 1, out: '' })
    expect(refused.err).toContain('(LOG_POLICY_VIOLATION)')
    expect(await commitlog(['compact', data, '--topic', 'prise'])).toMatchObject({ code: 2, out: '' })
  })

  test('ends with 130 when the user ends it', async () => {
    expect(await commitlog(['compact', data], { signal: AbortSignal.abort(new Error('enough')) })).toMatchObject({ code: 130 })
  })
})

test('a log without compacted topics has nothing to compact', async () => {
  await commitlog(['produce', data, 'events'], { input: ['1\n'] })
  expect(await commitlog(['compact', data])).toMatchObject({ code: 0, out: 'no compacted topics\n', err: '' })
})

describe('dlq', () => {
  beforeEach(async () => {
    const log = await CommitLog.open(data)
    const orders = await log.topic<string, unknown>('orders')
    await orders.send([1, 2, 3].map((value) => ({ key: `k${value}`, value: { value } })))
    let ended = (): void => {}
    const done = new Promise<void>((resolve) => { ended = resolve })
    const running = orders.consume({ group: 'billing', retry: { attempts: 1 }, deadLetter: true }, ({ value }) => {
      if ((value as { value: number }).value === 3) ended()
      else throw new RangeError(`no ${(value as { value: number }).value} today`)
    })
    await done
    await running.stop()
    await log.close()
  })

  const dlq = (...words: string[]): Promise<Ran> => commitlog(['dlq', data, 'orders', '--group', 'billing', ...words])

  test('lists what a group gave up, with where it came from and why', async () => {
    const { code, err, lines } = await dlq()
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(lines).toHaveLength(5)
    expect(lines[0]).toMatch(/^0@\d+ .* k1 {2}\{ value: 1 \}$/)
    expect(lines[1]).toBe('  orders-0@0, tried 1 time, RangeError: no 1 today')
    expect(lines.at(-1)).toBe('2 dead letters, 2 not replayed')
    const json = (await dlq('--json')).lines.map((line) => JSON.parse(line) as unknown)
    expect(json).toMatchObject([
      { topic: 'orders.billing.dlq', replayed: false, origin: { topic: 'orders', partition: 0, offset: 0 }, group: 'billing', deliveryCount: 1,
        error: { class: 'RangeError', message: 'no 1 today', stage: 'handle' }, headers: [] },
      { origin: { offset: 1 } },
    ])
    const other = await commitlog(['dlq', data, 'orders', '--group', 'billling'])
    expect(other).toMatchObject({ code: 2, out: '', err: expect.stringContaining('there is no group "billling" in ') as string })
    expect(other.err).toContain('did you mean "billing"?')
  })

  test('replays each once, and purges what was replayed', async () => {
    const to = (JSON.parse((await dlq('--json')).lines[1]!) as { offset: number }).offset
    expect(await dlq('--replay', '--to', String(to))).toMatchObject({ code: 0, out: '1 dead letter replayed\n', err: '' })
    expect(await dlq('--replay')).toMatchObject({ code: 0, out: '1 dead letter replayed, 1 before\n', err: '' })
    expect((await dlq()).lines.at(-1)).toBe('2 dead letters, 0 not replayed')
    expect((await left('orders')).map(([key]) => key)).toEqual(['k1', 'k2', 'k3', 'k1', 'k2'])
    expect(JSON.parse((await dlq('--purge', '--json')).out)).toMatchObject({ topic: 'orders.billing.dlq', purged: 2 })
    expect((await dlq()).out).toBe('no dead letters\n')
  })

  test('purges what was not replayed when it is told up to where', async () => {
    expect((await dlq('--purge')).out).toBe('0 dead letters purged\n')
    const to = (JSON.parse((await dlq('--json')).lines[1]!) as { offset: number }).offset
    expect((await dlq('--purge', '--partition', '0', '--to', String(to))).code).toBe(0)
    expect((await dlq()).lines.at(-1)).toBe('1 dead letter, 1 not replayed')
  })

  for (const [words, message] of [
    ['--replay --purge', '--replay and --purge exclude each other'],
    ['--purge --to 5', '--purge up to an offset needs its --partition'],
    ['--purge --from 5', '--from does not go with --purge: it begins with the oldest'],
    ['--dead-letter-topic a/b', 'a/b'],
  ] as const) test(`${words}: one line and code 2`, async () => {
    const { code, out, err } = await dlq(...words.split(' '))
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
  })

  test('needs a group', async () => {
    const { code, err } = await commitlog(['dlq', data, 'orders'])
    expect({ code, err }).toEqual({ code: 2, err: 'commitlog dlq: dead letters are those of a group: --group NAME\n' })
  })
})
