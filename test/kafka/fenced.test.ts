/*
 * What clients see of a partition whose disk failed, until this process opens it again: nobody else does, as nobody but its operator brings the
 * disk of a real broker back.
 */
import { expect, onTestFinished, test } from 'vitest'
import { encodeBatch } from '../../src/format/batch.ts'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { CommitLog } from '../../src/index.ts'
import { produce } from '../../src/kafka/apis/00-produce.ts'
import { fetch } from '../../src/kafka/apis/01-fetch.ts'
import { offsetCommit } from '../../src/kafka/apis/08-offset-commit.ts'
import { listen } from '../../src/kafka/index.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { RawClient } from './harness.ts'

async function world() {
  const disk = freshDisk()
  const log = await CommitLog.open('/data', { files: disk })
  const kafka = await listen(log)
  onTestFinished(async () => {
    await kafka.close()
    await log.close().catch(() => {})
  })
  const client = (): Promise<RawClient> => RawClient.connect(kafka.brokers[0]!.port)
  return { disk, log, client, raw: await client() }
}

const records = encodeBatch([{ value: Buffer.from('x') }])

async function sent(raw: RawClient, acks = -1): Promise<string> {
  const { responses } = await raw.request(produce, 9, { acks, timeoutMs: 5000, topicData: [{ name: 't', partitionData: [{ index: 0, records }] }] })
  const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
  return `${kafkaErrorName(errorCode)} ${baseOffset}`
}

test('a fenced partition refuses to write and serves what was acknowledged; reopened it takes batches again, on the same connection', async () => {
  const { disk, log, client, raw } = await world()
  const topic = await log.topic('t')
  expect(await sent(raw)).toBe('NONE 0')
  const heal = disk.inject({ verb: 'sync', path: '.log', error: 'EIO' })
  expect(await sent(raw)).toBe('KAFKA_STORAGE_ERROR -1')
  heal()
  // A disk that works again is no reason to believe in what it was given before.
  expect(await sent(raw, 1)).toBe('KAFKA_STORAGE_ERROR -1')
  const fetched = async (client: RawClient, fetchOffset: number, maxWaitMs: number) => {
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }]
    const { responses } = await client.request(fetch, 11, { maxWaitMs, minBytes: 1, maxBytes: 1_000_000, topics: [{ topic: 't', partitions }] })
    return responses[0]!.partitions[0]!
  }
  expect(await fetched(raw, 0, 0)).toMatchObject({ errorCode: 0, highWatermark: 1 })
  const waiting = fetched(await client(), 1, 60_000)
  await topic.partition(0).reopen()
  expect(await sent(raw)).toMatch(/^NONE [1-9]/)
  // Who waited is answered at the latest by now, and asks again.
  expect(await waiting).toMatchObject({ errorCode: 0 })
  expect((await fetched(raw, 1, 0)).records!.length).toBeGreaterThan(0)
})

test('groups commit again once the disk works: their coordinator opens its own topic again', async () => {
  const { disk, log, raw } = await world()
  await log.topic('t')
  const commit = async (): Promise<string | undefined> => {
    const answer = await raw.request(offsetCommit, 9, {
      groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] }],
    })
    return kafkaErrorName(answer.topics[0]!.partitions[0]!.errorCode)
  }
  expect(await commit()).toBe('NONE')
  const heal = disk.inject({ verb: 'sync', path: '.log', error: 'EIO' })
  expect(await commit()).toBe('COORDINATOR_NOT_AVAILABLE')
  expect(await commit()).toBe('COORDINATOR_NOT_AVAILABLE')
  heal()
  expect(await commit()).toBe('NONE')
})
