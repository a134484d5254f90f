/*
 * The command lines that people keep at hand: kcat, and Kafka's console, perf and topic tools. Each is run as in a terminal.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { CommitLog, string } from '../../../src/index.ts'
import { type KafkaListener, listen } from '../../../src/kafka/index.ts'
import { javaOptions } from '../java.ts'
import { mustRun } from '../processes.ts'
import { codecsOf } from './stored.ts'
import { needKcat } from './toolchains.ts'

let folder: string
let log: CommitLog
let listener: KafkaListener

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-tools-'))
  log = await CommitLog.open(folder)
  listener = await listen(log)
})

afterEach(async () => {
  await listener.close()
  await log.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('kcat', () => {
  const kcat = async (parameters: readonly string[], input?: string): Promise<string> => {
    await needKcat()
    return mustRun('kcat', ['-b', listener.bootstrap, ...parameters], { ...(input !== undefined && { input }) })
  }

  test('produces with every codec, in batches that are stored as it wrote them, and reads them back', async () => {
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    const lines = (codec: string): string => Array.from({ length: 10 }, (_, i) => `${codec} ${i} ${'x'.repeat(100)}\n`).join('')
    for (const codec of codecs) await kcat(['-P', '-t', 'codecs', '-z', codec], lines(codec))
    const read = await kcat(['-C', '-t', 'codecs', '-e', '-q', '-f', '%o %s\n'])
    expect(read.trimEnd().split('\n').map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual(
      codecs.flatMap((codec, index) => Array.from({ length: 10 }, (_, i) => `${index * 10 + i} ${codec} ${i}`)))
    await listener.close()
    await log.close()
    expect(codecsOf(join(folder, 'codecs-0'))).toEqual({ none: 10, gzip: 10, snappy: 10, lz4: 10, zstd: 10 })
  })

  test('keeps keys, tombstones and headers with a name twice', async () => {
    await kcat(['-P', '-t', 'records', '-K', ':', '-Z', '-H', 'trace=1', '-H', 'trace=2'], 'one:first\ntwo:\n')
    const read = await kcat(['-C', '-t', 'records', '-e', '-q', '-J'])
    const records = read.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(records.map(({ offset, key, payload, headers }) => ({ offset, key, payload, headers }))).toEqual([
      { offset: 0, key: 'one', payload: 'first', headers: ['trace', '1', 'trace', '2'] },
      { offset: 1, key: 'two', payload: null, headers: ['trace', '1', 'trace', '2'] },
    ])
  })

  test('carries a record of 900 KiB', async () => {
    await kcat(['-P', '-t', 'large', '-D', '|'], 'L'.repeat(900 * 1024))
    expect((await kcat(['-C', '-t', 'large', '-e', '-q', '-f', '%S\n'])).trim()).toBe(String(900 * 1024))
  })

  test('is a member of a group that goes on where it was, and finds the offset of a time', async () => {
    const topic = await log.topic('events', { key: string, value: string })
    for (let i = 0; i < 4; i++) topic.partition(0).append({ key: 'k', value: `${i}`, timestamp: 1000 * i + 1_700_000_000_000 })
    await topic.partition(0).flush()
    const group = ['-G', 'readers', '-q', '-f', '%s\n', '-X', 'auto.offset.reset=earliest']
    expect(await kcat([...group, '-c', '2', 'events'])).toBe('0\n1\n')
    expect(await kcat([...group, '-c', '2', 'events'])).toBe('2\n3\n')
    expect(await kcat(['-Q', '-t', 'events:0:1700000001500'])).toBe('events [0] offset 2\n')
  })

  test('lists brokers and topics', async () => {
    await log.topic('events', { partitions: 3 })
    const listed = JSON.parse(await kcat(['-L', '-J'])) as { brokers: { name: string }[]; topics: { topic: string; partitions: object[] }[] }
    expect(listed.brokers.map(({ name }) => name)).toEqual([listener.bootstrap])
    expect(listed.topics.find(({ topic }) => topic === 'events')!.partitions).toHaveLength(3)
  })
})

describe('the tools of Kafka', () => {
  const tool = (name: string, parameters: readonly string[], input?: string): Promise<string> => {
    const java = [...javaOptions, '-Dlog4j2.level=OFF', '-cp', join(inject('jars'), '*')]
    return mustRun('java', [...java, `org.apache.kafka.tools.${name}`, '--bootstrap-server', listener.bootstrap, ...parameters],
      { ...(input !== undefined && { input }) })
  }

  test('kafka-topics makes, describes, changes and deletes', async () => {
    await tool('TopicCommand', ['--create', '--topic', 'events', '--partitions', '3', '--config', 'retention.ms=3600000'])
    const described = await tool('TopicCommand', ['--describe', '--topic', 'events'])
    expect(described).toMatch(/PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention\.ms=3600000/)
    await tool('TopicCommand', ['--alter', '--topic', 'events', '--partitions', '5'])
    await tool('TopicCommand', ['--delete', '--topic', 'events'])
    expect(await tool('TopicCommand', ['--list', '--exclude-internal'])).toBe('\n')
  })

  test('kafka-console-producer and kafka-console-consumer, beside producers and consumers in this process', async () => {
    const topic = await log.topic('events', { key: string, value: string })
    await topic.partition(0).durable(topic.partition(0).append({ key: 'here', value: 'from this process' }))
    await tool('ConsoleProducer', ['--topic', 'events', '--property', 'parse.key=true', '--property', 'key.separator=:'], 'there:from the console\n')
    const consume = ['--topic', 'events', '--group', 'console', '--from-beginning', '--max-messages', '2', '--timeout-ms', '20000']
    const read = await tool('consumer.ConsoleConsumer', [...consume, '--property', 'print.key=true', '--property', 'print.offset=true'])
    expect(read).toBe('Offset:0\there\tfrom this process\nOffset:1\tthere\tfrom the console\n')
    expect(Array.from(topic.partition(0).read(), ({ key, value }) => [key, value])).toEqual([
      ['here', 'from this process'], ['there', 'from the console'],
    ])
    const described = await tool('consumer.group.ConsumerGroupCommand', ['--describe', '--group', 'console'])
    expect(described).toMatch(/console\s+events\s+0\s+2\s+2\s+0/)
  })

  test('kafka-producer-perf-test and kafka-consumer-perf-test get through', async () => {
    const java = ['-Xmx256m', '-XX:+UseSerialGC', '-cp', join(inject('jars'), '*')]
    await log.topic('perf', { partitions: 2 })
    const produced = await mustRun('java', [...java, 'org.apache.kafka.tools.ProducerPerformance', '--topic', 'perf', '--num-records', '50000',
      '--record-size', '100', '--throughput', '-1', '--producer-props', `bootstrap.servers=${listener.bootstrap}`, 'compression.type=lz4'])
    expect(produced).toContain('50000 records sent')
    const consume = ['--topic', 'perf', '--messages', '50000', '--timeout', '20000']
    const consumed = await tool('ConsumerPerformance', consume)
    expect(consumed.trim().split('\n').at(-1)!.split(', ')[4]).toBe('50000')
  })
})
