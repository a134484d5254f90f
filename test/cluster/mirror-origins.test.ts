/*
 * Where topics are from, by the ledgers of their log: and what is only called like one.
 */
import { expect, test } from 'vitest'
import { mirror, planMirror } from '../../src/cluster/index.ts'
import { bytes, CommitLog, defineTopic, json, msgpack, type PortableLog, string, type TopicDefinition } from '../../src/index.ts'
import { overListener } from './harness.ts'

const Words = defineTopic('words', { partitions: 2, value: string })
/** By their codecs, and by what they hold. */
const Photos = defineTopic('commitlog-mirror-photos', { partitions: 3, key: string, value: msgpack() })
const Notes = defineTopic('commitlog-mirror-notes', { key: bytes, value: json() })
const keys = ['a photo', 'null', '5', '["topic"]', '["topic",5]', '{}']

async function fill<K>(log: PortableLog, definition: TopicDefinition<K, unknown>, toKey: (text: string) => K): Promise<void> {
  const topic = await log.topic(definition)
  await topic.send([...keys.map((text) => ({ key: toKey(text), value: 'no entry' })), { value: 'without a key' }])
}

test('topics that are only called like the ledger of a mirror are in no mirror\'s way, in process and on a cluster', () => (
  overListener(async ({ log: cluster }) => {
    const local = await CommitLog.memory()
    for (const source of [local, cluster] satisfies PortableLog[]) await mirrored(source)
    await local.close()
  })
))

async function mirrored(source: PortableLog): Promise<void> {
  const target = await CommitLog.memory()
  await fill(source, Photos, (text) => text)
  await fill(source, Notes, (text) => Buffer.from(text))
  await (await source.topic(Words)).send({ value: 'a' })
  expect((await planMirror(source, target, { topics: [Words] })).topics.map(({ problem }) => problem)).toEqual([undefined])
  await (await mirror(source, target, { topics: [Words], until: 'end' })).done
  const copied: (string | null)[] = []
  for await (const { value } of (await target.topic(Words)).consumer({ until: 'end' })) copied.push(value)
  expect(copied).toEqual(['a'])
  await target.close()
}
