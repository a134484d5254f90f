/*
 * Groups through the command: listed, described, set back, forgotten.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { commitlog, type Ran } from '../tools/command.ts'
import { fixture } from '../tools/fixtures.ts'

let root: string
let original: string
let data: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-groups-'))
  original = join(root, 'original')
  const log = await CommitLog.open(original)
  const orders = await log.topic('orders', { partitions: 2 })
  for (let number = 0; number < 20; number++) await orders.send({ key: 'k', value: number, partition: number % 2, timestamp: 1000 * number })
  for (const [group, offsets] of [['billing', [4, 7]], ['mailing', [10]]] as const) {
    await log.transaction((tx) => tx.commitOffsets(group, offsets.map((offset, partition) => ({ topic: 'orders', partition, offset }))))
  }
  await log.close()
})
beforeEach(() => {
  data = mkdtempSync(join(root, 'data-'))
  cpSync(original, data, { recursive: true })
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const groups = (...words: string[]): Promise<Ran> => commitlog(['groups', data, ...words])

test('groups are listed with their state', async () => {
  const { code, err, lines } = await groups()
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(lines.map((line) => line.split(/ +/))).toEqual([
    ['group', 'type', 'protocol', 'state'], ['billing', 'classic', '-', 'Empty'], ['mailing', 'classic', '-', 'Empty'],
  ])
  expect(JSON.parse((await groups('--json')).lines[0]!)).toEqual({ group: 'billing', type: 'classic', protocolType: '', state: 'Empty' })
})

test('a group is described with how far it is behind in each partition', async () => {
  const { code, lines } = await groups('--group', 'billing')
  expect(code).toBe(0)
  expect(lines[0]).toMatch(/^billing {2}Empty, classic, generation -?\d+, 0 members, lag 9$/)
  expect(lines.slice(1).map((line) => line.split(/ +/).filter((cell) => cell !== ''))).toEqual([
    ['topic', 'partition', 'current-offset', 'log-end-offset', 'lag', 'consumer-id'],
    ['orders', '0', '4', '10', '6', '-'], ['orders', '1', '7', '10', '3', '-'],
  ])
  expect(JSON.parse((await groups('--group', 'billing', '--json')).out)).toMatchObject({
    group: 'billing', state: 'Empty', members: [], partitions: [
      { topic: 'orders', partition: 0, committed: 4, end: 10, lag: 6, memberId: null }, { topic: 'orders', partition: 1, committed: 7 },
    ],
  })
})

describe('offsets are set back', () => {
  for (const [where, to] of [['earliest', [0, 0]], ['latest', [10, 10]], ['6', [6, 6]], ['1970-01-01T00:00:09.000Z', [5, 4]]] as const) {
    test(`to ${where}, when it is executed`, async () => {
      const dry = await groups('--group', 'billing', '--reset', where)
      expect(dry.code).toBe(0)
      expect(dry.lines.at(-1)).toBe('nothing was changed: --execute does it')
      expect(dry.lines.slice(1, 3).map((line) => line.split(/ +/))).toEqual([['orders', '0', '4', `${to[0]}`], ['orders', '1', '7', `${to[1]}`]])
      expect((await committed()).billing).toEqual([4, 7])
      expect((await groups('--group', 'billing', '--reset', where, '--execute')).lines).toEqual(dry.lines.slice(0, -1))
      expect(await committed()).toEqual({ billing: [...to], mailing: [10] })
    })
  }

  test('of one topic and partition, also for a group that has committed nothing there', async () => {
    const { lines } = await groups('--group', 'fresh', '--reset', '3', '--topic', 'orders', '--partition', '1', '--execute', '--json')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { group: 'fresh', topic: 'orders', partition: 1, from: null, to: 3, executed: true },
    ])
    expect((await committed()).fresh).toEqual([3])
  })

  test('not past the end', async () => {
    const { code, err } = await groups('--group', 'billing', '--reset', '11', '--execute')
    expect(code).toBe(1)
    expect(err).toMatch(/^commitlog groups: .*\(LOG_COMMIT_OUT_OF_RANGE\)\n$/)
    expect((await committed()).billing).toEqual([4, 7])
  })
})

test('a group is forgotten', async () => {
  expect(await groups('--group', 'billing', '--delete')).toMatchObject({ code: 0, out: 'deleted group billing\n', err: '' })
  expect(await committed()).toEqual({ mailing: [10] })
})

test('a log without groups has none', async () => {
  await commitlog(['produce', join(data, 'new'), 't'], { input: ['1\n'] })
  expect(await commitlog(['groups', join(data, 'new')])).toMatchObject({ code: 0, out: 'no groups\n', err: '' })
})

test('groups of a folder that Kafka wrote are shown where it lies', async () => {
  const folder = fileURLToPath(new URL('../fixtures/kafka-4.1/offsets/log', import.meta.url))
  const { lines } = await commitlog(['groups', folder, '--json'])
  const states = JSON.parse(fixture('offsets/state.json').toString()) as Readonly<Record<string, unknown>>
  const found = lines.map((line) => (JSON.parse(line) as { group: string }).group)
  for (const group of Object.keys(states)) expect(found).toContain(group)
})

describe('a mistake is one line and code 2', () => {
  for (const [words, message] of [
    ['--group biling', 'there is no group "biling" in DATA: did you mean "billing"?'],
    ['--group none', 'there is no group "none" in DATA: it has billing, mailing'],
    ['--reset earliest', '--reset needs a group: --group NAME'],
    ['--delete', '--delete needs a group: --group NAME'],
    ['--group billing --reset x', '--reset takes an offset, "earliest", "latest" or a time, not "x"'],
    ['--group billing --reset 1 --delete', '--reset and --delete exclude each other'],
    ['--group billing --execute', '--execute goes with --reset'],
    ['--group billing --reset 1 --partition 0', '--partition needs a topic: --topic NAME'],
    ['--group billing --reset 1 --topic oders', 'there is no topic "oders" in DATA: did you mean "orders"?'],
    [
      '--group billing --reset 1 --topic orders --partition 2',
      'there is no partition 2 of topic "orders" in DATA: it has 2 partitions, numbered from 0',
    ],
  ] as const) test(words, async () => {
    expect(await groups(...words.split(' '))).toMatchObject({ code: 2, out: '', err: `commitlog groups: ${message.replace('DATA', data)}\n` })
  })
})

/** What groups have committed, by partition. */
async function committed(): Promise<Record<string, number[]>> {
  const log = await CommitLog.open(data, { readOnly: true })
  const found: Record<string, number[]> = {}
  for (const { group } of await log.groups.list()) found[group] = (await log.groups.lag(group)).map((lag) => lag.committed!)
  await log.close()
  return found
}
