/*
 * Topics through the command: made, altered, deleted.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CommitLog, type TopicInfo } from '../../src/topics/commit-log.ts'
import { commitlog, type Ran } from '../tools/command.ts'

let root: string
let data: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-topics-'))
  data = join(root, 'data')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const topics = (...words: string[]): Promise<Ran> => commitlog(['topics', data, ...words])

async function info(name: string): Promise<TopicInfo | undefined> {
  const log = await CommitLog.open(data, { readOnly: true })
  const found = (await log.topics()).find((topic) => topic.name === name)
  await log.close()
  return found
}

test('a topic is made with partitions, codecs and settings by either name, and the folder with it', async () => {
  const settings = ['--set', 'retention.ms=86400000', '--set', 'segmentBytes=1048576']
  expect(await topics('--create', 'orders', '--partitions', '3', '--codec', 'json', ...settings))
    .toMatchObject({ code: 0, err: '', out: 'created topic orders with 3 partitions\n' })
  expect(await info('orders')).toMatchObject({
    partitions: 3, key: 'string', value: 'json', settings: { retentionMs: 86_400_000, segmentBytes: 1_048_576 },
  })
  expect(await topics('--create', 'orders')).toMatchObject({ code: 1, err: expect.stringContaining('LOG_TOPIC_EXISTS') as string })
  const { lines } = await topics('--topic', 'orders')
  expect(lines.slice(-2).sort()).toEqual(['retention.ms=86400000', 'segment.bytes=1048576'])
})

test('a topic is altered: settings set and taken back, partitions added', async () => {
  await topics('--create', 'orders', '--set', 'retention.bytes=5000', '--set', 'segment.ms=1000')
  const set = ['--set', 'cleanup.policy=delete,compact', '--set', 'retention.bytes=-1', '--unset', 'segment.ms']
  const { code, err, out } = await topics('--alter', 'orders', ...set, '--partitions', '4', '--json')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(JSON.parse(out)).toEqual({
    topic: 'orders', altered: true, partitions: 4, settings: { cleanupPolicy: 'compact,delete', retentionBytes: 'Infinity' },
  })
  expect(await info('orders')).toMatchObject({ partitions: 4, settings: { cleanupPolicy: 'compact,delete', retentionBytes: Infinity } })
})

test('a topic is deleted when that is confirmed', async () => {
  await commitlog(['produce', data, 'orders', '--partitions', '2'], { input: ['a\nb\n'] })
  const asked = await topics('--delete', 'orders')
  expect(asked).toMatchObject({ code: 2, out: '' })
  expect(asked.err).toMatch(/^commitlog topics: topic "orders" has 2 offsets in 2 partitions, \d+ B: --yes deletes it\n$/)
  expect(await info('orders')).toBeDefined()
  expect(await topics('--delete', 'orders', '--yes')).toMatchObject({ code: 0, err: '', out: 'deleted topic orders\n' })
  expect(await info('orders')).toBeUndefined()
  expect(readdirSync(data).filter((name) => name.startsWith('orders-'))).toEqual([])
})

describe('a mistake is one line and code 2, and changes nothing', () => {
  for (const [words, message] of [
    ['--create a/b', 'a/b'],
    ['--create x --delete t', '--create and --delete exclude each other'],
    ['--create x --topic t', '--topic and --create exclude each other'],
    ['--create x --yes', '--yes goes with --delete'],
    ['--create x --unset segment.ms', '--unset goes with --alter'],
    ['--partitions 3', '--partitions goes with --create or --alter'],
    ['--set a=b', '--set goes with --create or --alter'],
    ['--create x --set retention.ms', '--set takes NAME=VALUE, not "retention.ms"'],
    ['--create x --set retention.mss=1', 'there is no setting "retention.mss": did you mean "retention.ms"?'],
    ['--create x --set retention.ms=soon', 'retention.ms is a whole number of milliseconds, or -1 for no limit, not "soon"'],
    ['--create x --set cleanup.policy=keep', 'cleanupPolicy of topic "x"'],
    ['--create x --partitions 10001', 'a topic has at most 10,000 partitions, not 10,001'],
    ['--create x --codec yaml', '--codec is one of string, json, msgpack, bytes, not "yaml"'],
    ['--alter t', 'nothing to alter: --set, --unset or --partitions'],
    ['--alter t --partitions 1', 'topic "t" has 2 partitions: they can only become more'],
    ['--alter t --unset nothing', 'there is no setting "nothing"'],
    ['--alter tt --partitions 3', 'there is no topic "tt" in '],
    ['--delete tt --yes', 'there is no topic "tt" in '],
  ] as const) test(words, async () => {
    await topics('--create', 't', '--partitions', '2')
    const { code, out, err } = await topics(...words.split(' '))
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('commitlog topics: ')
    expect(err).toContain(message)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
    expect(await info('x')).toBeUndefined()
    expect(await info('t')).toMatchObject({ partitions: 2, settings: {} })
  })

  test('the log\'s own topics are left alone', async () => {
    await topics('--create', 't')
    expect(await topics('--create', '__consumer_offsets')).toMatchObject({ code: 1, err: expect.stringContaining('LOG_TOPIC_INTERNAL') as string })
  })
})
