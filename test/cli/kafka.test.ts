/*
 * Folders that a real Kafka wrote, clean and unclean, dumped record by record against what Kafka's own consumer read of them, and asked
 * for offsets by time as Kafka was. All of them lie where they lie and may not be changed.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { codecInstalled } from '../tools/batches.ts'
import { commitlog } from '../tools/command.ts'
import { fixture, fixtureLines } from '../tools/fixtures.ts'

interface Found {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number | null
}

/** What Kafka answered about a partition. */
interface Answers {
  readonly earliest: number
  readonly highWatermark: number
  readonly lastStable: number
  readonly maxTimestamp: Found
  readonly forTimestamp: readonly { readonly query: number; readonly found: Found }[]
}

/** A case: where its folder is, what was read of it, and Kafka's answers. */
interface Case {
  readonly name: string
  readonly folder: string
  expected(): string[]
  answers(): Readonly<Record<string, Answers>>
}

/** The small ones that come with the tests, and all of them where they are at hand; `KAFKA_FIXTURES` names others, of any version of Kafka. */
const own = fileURLToPath(new URL('../fixtures/kafka-4.1', import.meta.url))
const shared = process.env['KAFKA_FIXTURES'] ?? fileURLToPath(new URL('../../../shared/fixtures/kafka-4.1', import.meta.url))

const ownCases = readdirSync(own).filter((name) => existsSync(`${own}/${name}/answers.json.gz`)).map((name): Case => ({
  name, folder: `${own}/${name}/log`, expected: () => fixtureLines(`${name}/expected.jsonl.gz`),
  answers: () => JSON.parse(gunzipSync(fixture(`${name}/answers.json.gz`)).toString()) as Record<string, Answers>,
}))

const sharedNames = existsSync(shared) ? readdirSync(shared).filter((name) => existsSync(`${shared}/${name}/expected.jsonl`)) : []
const sharedCases = sharedNames.map((name): Case => ({
  name: `shared ${name}`, folder: `${shared}/${name}/log`,
  expected: () => readFileSync(`${shared}/${name}/expected.jsonl`, 'utf8').trimEnd().split('\n'),
  answers: () => (JSON.parse(readFileSync(`${shared}/${name}/case.json`, 'utf8')) as { partitions: Record<string, Answers> }).partitions,
}))

test('there are cases to look at', () => expect(ownCases.length).toBeGreaterThan(10))

describe.each([...ownCases, ...sharedCases])('$name', ({ name, folder, expected, answers }) => {
  const readable = codecInstalled('zstd') || !/foreign|mixed|txn|zstd/.test(name)

  test.runIf(readable)('dumps what Kafka\'s consumer read, record by record, and stays as it is', async () => {
    const before = listing(folder)
    const { code, err, lines } = await commitlog(['dump', '--json', folder])
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(inOrder(lines)).toEqual(inOrder(expected()))
    expect(listing(folder)).toEqual(before)
  })

  test.runIf(readable)('answers Kafka\'s questions', async () => {
    const log = await CommitLog.open(folder, { readOnly: true })
    try {
      for (const [partitionName, asked] of Object.entries(answers())) {
        const [, topicName, number] = /^(.*)-(\d+)$/.exec(partitionName)!
        const topic = await log.topic(topicName!, { create: false, key: bytes, value: bytes })
        const partition = topic.partition(Number(number))
        const { startOffset, highWatermark, lastStableOffset } = partition
        expect({ partitionName, startOffset, highWatermark, lastStableOffset })
          .toEqual({ partitionName, startOffset: asked.earliest, highWatermark: asked.highWatermark, lastStableOffset: asked.lastStable })
        expect(told(partition.maxTimestamp('read_uncommitted'))).toEqual(asked.maxTimestamp)
        const truth = trueAnswers(expected(), partitionName)
        for (const { query, found } of asked.forTimestamp) {
          // Kafka itself forgets a part of the time index of this one and finds nothing there (its leftover of a compaction): the truth is asked.
          const right = partitionName === 'unclean-6' ? truth(query) : found
          const got = Number.isSafeInteger(query) ? told(partition.offsetForTimestamp(query, 'read_uncommitted')) : told(undefined)
          expect({ query, partitionName, ...got }).toEqual({ query, partitionName, ...right })
        }
      }
    } finally {
      await log.close()
    }
  })

  test('has no damage, but for what was damaged on purpose', async () => {
    const { code, lines } = await commitlog(['verify', folder])
    const damage = lines.filter((line) => line.startsWith('damage  '))
    const onPurpose = /^damage {2}unclean-5\/0{18}31\.(?:index|timeindex|snapshot)/
    expect(damage.filter((line) => !onPurpose.test(line))).toEqual([])
    expect(code).toBe(damage.length > 0 ? 1 : 0)
  })

  test('shows its files as they are', async () => {
    const { code, lines } = await commitlog(['dump', folder])
    expect(code).toBe(0)
    expect(lines.length).toBeGreaterThan(2)
  })
})

test('a single file of any kind is shown, and as JSON', async () => {
  const files = readdirSync(`${own}/txn/log/txn-0`).map((name) => `${own}/txn/log/txn-0/${name}`)
  for (const path of [...files, `${own}/deleted-records/log/log-start-offset-checkpoint`]) {
    expect((await commitlog(['dump', path])).code).toBe(0)
    const { code, lines } = await commitlog(['dump', '--json', path])
    expect(code).toBe(0)
    if (statSync(path).size > 0) expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(typeof JSON.parse(line)).toBe('object')
  }
})

/** Lines by topic, partition and offset: Kafka's are in the order in which its topics were made. */
function inOrder(lines: readonly string[]): string[] {
  const keyed = lines.map((line) => ({ line, record: JSON.parse(line) as { topic: string; partition: number; offset: number } }))
  keyed.sort(({ record: one }, { record: other }) =>
    one.topic === other.topic ? one.partition - other.partition || one.offset - other.offset : one.topic < other.topic ? -1 : 1)
  return keyed.map(({ line }) => line)
}

function told(found: Found | undefined): Found {
  return found ?? { offset: -1, timestamp: -1, leaderEpoch: null }
}

/** The first record at or after a time, of all that were read. */
function trueAnswers(lines: readonly string[], partitionName: string): (query: number) => Found {
  const records = lines.map((line) => JSON.parse(line) as Found & { topic: string; partition: number })
  const here = records.filter(({ topic, partition }) => `${topic}-${partition}` === partitionName)
  return (query) => {
    const found = here.find(({ timestamp }) => timestamp >= query)
    return told(found && { offset: found.offset, timestamp: found.timestamp, leaderEpoch: found.leaderEpoch })
  }
}

function listing(folder: string): string[] {
  return readdirSync(folder).sort().flatMap((name) => {
    const path = `${folder}/${name}`
    const stat = statSync(path)
    return stat.isDirectory() ? listing(path) : [`${path} ${stat.size} ${stat.mtimeMs}`]
  })
}
