/*
 * Folders that Kafka wrote, with its producers and transactions, opened for writing: what was open is ended, nobody is taken for somebody else,
 * and the log goes on.
 */
import { expect, test } from 'vitest'
import { encodeBatch } from '../../../src/format/batch.ts'
import { decodeTransactionRecord } from '../../../src/format/transaction-state.ts'
import { bytes, CommitLog } from '../../../src/index.ts'
import { FIRST_PRODUCER_ID } from '../../../src/topics/producer-ids.ts'
import { codecInstalled } from '../../tools/batches.ts'
import { FOLDER, kafkas } from '../../tools/small-log.ts'
import { afterwards } from '../harness.ts'

async function adopted(name: string): Promise<CommitLog> {
  const log = await CommitLog.open(FOLDER, { files: await kafkas(name) })
  afterwards(() => log.close().catch(() => {}))
  return log
}

test.skipIf(!codecInstalled('zstd'))('transactions that a broker left open are aborted, and nobody waits for them', async () => {
  const before = await CommitLog.open(FOLDER, { files: await kafkas('txn'), readOnly: true })
  const then = await before.topic('txn', { value: bytes })
  const was = then.stats()
  const told = then.partitions.map((partition) => [...partition.read()].map(({ offset }) => offset))
  expect(was.some(({ lastStableOffset, highWatermark }) => lastStableOffset < highWatermark)).toBe(true)
  await before.close()
  const log = await adopted('txn')
  const topic = await log.topic('txn', { key: bytes, value: bytes })
  for (const partition of topic.partitions) {
    const { lastStableOffset, highWatermark } = partition.stats()
    expect(lastStableOffset).toBe(highWatermark)
    // What readers could see they see still, and behind it what was no part of an open transaction.
    const stable = was[partition.partition]!.lastStableOffset
    const seen = [...partition.read()].map(({ offset }) => offset)
    expect(seen.filter((offset) => offset < stable)).toEqual(told[partition.partition])
  }
  await log.transaction(async (tx) => {
    for (const { partition } of topic.partitions) await tx.send(topic, { value: Buffer.from('ours'), partition })
  })
  for (const partition of topic.partitions) expect([...partition.read()].at(-1)!.value!.toString()).toBe('ours')
})

test('states of a broker\'s transactions are described, and their ids go on where they were', async () => {
  const log = await adopted('transaction-state')
  const coordinator = log.core.transactions
  const { transactions } = await coordinator.list()
  const states = await log.topic('__transaction_state', { key: bytes, value: bytes })
  const latest = new Map<string, bigint>()
  for (const partition of states.partitions) {
    for (const { keyBytes, valueBytes } of partition.read()) {
      const record = decodeTransactionRecord(keyBytes!, valueBytes)
      if (record.kind !== 'transaction') continue
      if (record.value === null) latest.delete(record.key.transactionalId)
      else latest.set(record.key.transactionalId, record.value.producerId)
    }
  }
  expect(transactions.length).toBeGreaterThan(3)
  expect(new Set(transactions.map(({ transactionalId }) => transactionalId))).toEqual(new Set(latest.keys()))
  const [described] = await coordinator.describe(['lat-tx'])
  expect(described).toMatchObject({ error: 'NONE', state: 'CompleteCommit', producerId: latest.get('lat-tx') })
  const next = await coordinator.initProducerId({ transactionalId: 'lat-tx', timeoutMs: 1000 })
  expect(next).toEqual({ error: 'NONE', producerId: described!.producerId, producerEpoch: described!.producerEpoch + 1 })
  expect(await coordinator.initProducerId({ transactionalId: 'new', timeoutMs: 1000 })).toEqual({
    error: 'NONE', producerId: FIRST_PRODUCER_ID, producerEpoch: 0,
  })
})

test('sequences of a broker\'s producers go on', async () => {
  const log = await adopted('sequences')
  const topic = await log.topic('sequences', { key: bytes, value: bytes })
  const partition = topic.partition(0)['log']
  const producers = [...partition.producers]
  expect(producers.length).toBeGreaterThan(0)
  for (const { producerId, epoch, batches } of producers) {
    const last = batches.at(-1)!
    const batch = (sequence: number): Buffer => encodeBatch([{ value: Buffer.from('x'), timestamp: Date.now() }], {
      producerId, producerEpoch: epoch, baseSequence: sequence,
    })
    expect(() => partition.appendBatch(batch(last.lastSequence + 2))).toThrow(expect.objectContaining({ code: 'LOG_SEQUENCE_OUT_OF_ORDER' }))
    expect(partition.appendBatch(batch(last.lastSequence + 1)).duplicate).toBe(false)
    expect(partition.appendBatch(batch(last.lastSequence + 1)).duplicate).toBe(true)
  }
})
