import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { string } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { commitlog } from '../tools/command.ts'
import { collect, diskLog, freshFolder } from '../topics/harness.ts'

const Words = defineTopic('words', { partitions: 2, value: string })
const Others = defineTopic('others', { value: string })

/** A folder with two topics, and a group that has read a part of one. */
async function filled(): Promise<{ readonly from: string; readonly to: string; readonly log: CommitLog }> {
  const from = freshFolder()
  const log = await diskLog(from)
  const words = await log.topic(Words)
  await words.send(['a', 'b', 'c', 'd'].map((value, index) => ({ key: value, value, partition: index % 2 })))
  await (await log.topic(Others)).send({ value: 'x' })
  const consumer = words.consumer({ group: 'readers' })
  await consumer.commit([{ partition: 0, offset: 1 }, { partition: 1, offset: 2 }])
  await consumer.close()
  return { from, to: join(from, '..', 'copy'), log }
}

async function read<T>(folder: string, work: (log: CommitLog) => Promise<T>): Promise<T> {
  const log = await CommitLog.open(folder)
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

/** Values of the topic, by partition. */
async function values(log: CommitLog): Promise<unknown> {
  const records = await collect((await log.topic(Words)).consumer({ until: 'end' }))
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset).map(({ value }) => value)
}

describe('mirror', () => {
  test('copies all topics of a folder that another process writes, and the commits of groups', async () => {
    const { from, to } = await filled()
    const { code, err, lines } = await commitlog(['mirror', from, to, '--groups', 'read'])
    expect({ code, err, lines }).toEqual({ code: 0, err: '', lines: ['5 records, 9 B, of 2 topics; 1 group; nothing left'] })
    expect(await read(to, values)).toEqual(['a', 'c', 'b', 'd'])
    const rest = await read(to, async (log) => {
      const records = await collect((await log.topic(Words)).consumer({ group: 'readers', until: 'end' }))
      return records.map(({ value }) => value)
    })
    expect(rest).toEqual(['c'])
  })

  test('goes on where it was, and tells positions as JSON', async () => {
    const { from, to, log } = await filled()
    await commitlog(['mirror', from, to, '--topic', 'words'])
    await (await log.topic(Words)).send({ key: 'e', value: 'e', partition: 1 })
    const { code, lines } = await commitlog(['mirror', from, to, '--match', '^wor', '--json'])
    expect({ code, lines: lines.map((line) => JSON.parse(line) as unknown) }).toEqual({ code: 0, lines: [
      { topic: 'words', partition: 0, position: 2, end: 2, lag: 0 }, { topic: 'words', partition: 1, position: 3, end: 3, lag: 0 },
    ] })
    expect(await read(to, values)).toEqual(['a', 'c', 'b', 'd', 'e'])
  })

  test('--dry-run tells what would be done, and does nothing', async () => {
    const { from, to } = await filled()
    await read(to, async (log) => void await log.topic(defineTopic('words', { partitions: 5, value: string })))
    const { code, err, lines } = await commitlog(['mirror', from, to, '--dry-run', '--group', 'readers'])
    expect({ code, lines }).toEqual({ code: 1, lines: [
      'topic   partitions  offsets  on the target', 'words            2        4  refused: LOG_TOPIC_MISMATCH',
      'others           1        1  is made',
      'group    topic  partition  committed  lag', 'readers  words          0          1    1', 'readers  words          1          2    0',
    ] })
    expect(err).toContain('has 2 partitions on the source and 5 on the target')
    expect(await read(to, async (log) => (await log.topics()).map(({ name }) => name))).toEqual(['words'])
    const json = await commitlog(['mirror', from, to, '--dry-run', '--json', '--topic', 'others'])
    const planned = { topic: 'others', partitions: 1, state: 'new', offsets: 1, problem: null }
    expect(json.lines.map((line) => JSON.parse(line) as unknown)).toEqual([planned])
  })

  test('--follow goes on until Ctrl-C, and ends with 0', async () => {
    const { from, to } = await filled()
    const controller = new AbortController()
    const running = commitlog(['mirror', from, to, '--follow'], { signal: controller.signal, columns: 80 })
    while (!(await arrived(to))) await new Promise(setImmediate)
    controller.abort(new Error('Ctrl-C'))
    expect(await running).toMatchObject({ code: 0, out: expect.stringContaining('nothing left') as string })
  })

  test('--gaps pass goes on behind what the source deleted before it was mirrored, and says so', async () => {
    const { from, to, log } = await filled()
    await commitlog(['mirror', from, to, '--topic', 'words'])
    const words = await log.topic(Words)
    await words.send([{ value: 'e', partition: 0 }, { value: 'f', partition: 0 }])
    await words.deleteRecords({ 0: 3 })
    const refused = await commitlog(['mirror', from, to, '--topic', 'words'])
    expect([refused.code, /LOG_\w+/.exec(refused.err)?.[0]]).toEqual([1, 'LOG_MIRROR_GAP'])
    const { code, err, lines } = await commitlog(['mirror', from, to, '--topic', 'words', '--gaps', 'pass'])
    expect({ code, err, lines }).toEqual({
      code: 0, err: 'words-0: offsets 2 to 2 are gone: passed over\n', lines: ['1 record, 1 B, of 1 topic; 0 groups; nothing left'],
    })
    expect(await read(to, values)).toEqual(['a', 'c', 'f', 'b', 'd'])
    expect((await commitlog(['mirror', from, to, '--gaps', 'maybe'])).code).toBe(2)
  })

  test('a mirror onto itself, and a folder that is not there, are told in a line', async () => {
    const { from, to } = await filled()
    const told = async (...words: readonly string[]): Promise<unknown> => {
      const { code, err } = await commitlog(['mirror', ...words])
      return [code, /LOG_\w+|--\w+/.exec(err)?.[0]]
    }
    expect(await told(from, to, '--topic', 'none')).toEqual([2, 'LOG_NOT_FOUND'])
    expect(await told(from, from)).toEqual([1, 'LOG_MIRROR_ITSELF'])
    expect(await told(join(to, 'x'), from)).toEqual([2, 'LOG_NOT_FOUND'])
    expect(await told(from, to, '--match', '(')).toEqual([2, '--match'])
  })
})

/** Whether the copy holds everything, as another process sees it. */
async function arrived(to: string): Promise<boolean> {
  try {
    const log = await CommitLog.open(to, { readOnly: true })
    try {
      const topics = await log.topics()
      const words = topics.some(({ name }) => name === 'words') ? await log.topic(Words, { create: false }) : undefined
      return words !== undefined && (await collect(words.consumer({ until: 'end' }))).length === 4
    } finally {
      await log.close()
    }
  } catch {
    return false
  }
}
