/*
 * Each invariant finds a race that is planted in a service of kafkajs, and finds nothing in the service as it should be.
 */
import { CompressionTypes, type IHeaders, Kafka, logLevel, type Producer, type ProducerConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { isLogError, type LogError } from '../../../src/index.ts'
import { explore, type ExploredRun, type ExploreOptions, type FaultSpec } from '../../../src/testing/index.ts'

type Service = (run: ExploredRun) => Promise<void>

interface Planted {
  readonly name: string
  readonly wrong: Service
  readonly right: Service
  readonly options: ExploreOptions
  /** What the failure says. */
  readonly says: RegExp
}

const lostRequest: FaultSpec = { api: 'Produce', actions: [{ type: 'close', when: 'before-apply' }] }
const lostAnswer: FaultSpec = { api: 'Produce', actions: [{ type: 'close', when: 'after-apply' }] }
const moved: FaultSpec = { api: 'Produce', actions: [{ type: 'error', error: 'NOT_LEADER_OR_FOLLOWER', when: 'before-apply' }] }

const planted: readonly Planted[] = [
  {
    name: 'a service that says that an order is safe before it is stored loses it, and one that waits does not',
    wrong: accepts({ waits: false }), right: accepts({ waits: true }),
    options: { faults: [lostRequest], broker: { topics: { orders: 1 } } },
    says: /acknowledged and lost: no record of topic "orders" has the key "o-\d"/,
  },
  {
    name: 'a producer that sends again and is not idempotent stores a record twice, and one that is does not',
    wrong: sendsAgain({ idempotent: false }), right: sendsAgain({ idempotent: true }),
    options: { faults: [lostAnswer], broker: { topics: { orders: 1 } } }, says: /stored twice: orders-0@\d and orders-0@\d are both \["o-\d","new"\]/,
  },
  {
    name: 'a service that sends versions of a row without waiting for the last one stores them in the wrong order',
    wrong: versions({ waits: false }), right: versions({ waits: true }),
    options: { faults: [moved], broker: { topics: { rows: 1 } } }, says: /the key "row" goes back: rows-0@\d and rows-0@\d are 2 and 1/,
  },
  {
    name: 'a transfer of two records is seen by half without a transaction, and not with one',
    wrong: transfers({ transactional: false }), right: transfers({ transactional: true }),
    options: { faults: [lostRequest], broker: { topics: { debits: 1, credits: 1 } } }, says: /"t-\d" is seen in part: debits-0@\d, of 2 records/,
  },
  {
    name: 'handlers side by side that commit their own offset commit what others have not processed, in the order that a schedule finds',
    wrong: charges({ inOrder: false }), right: charges({ inOrder: true }),
    options: { broker: { topics: { orders: 1 } } }, says: /group "billing" commits \d of orders-0, and has not processed orders-0@\d/,
  },
]
for (const { name, wrong, right, options, says } of planted) {
  test(name, async () => {
    const error = await failureOf(explore(wrong, { seed: 1, runs: 200, longest: '3s', ...options }))
    expect(error.message).toMatch(says)
    expect((error.detail['deviations'] as unknown[]).length).toBeLessThanOrEqual(1)
    await explore(right, { seed: 1, runs: 15, longest: '3s', ...options })
  }, 120_000)
}

test('a record that the broker acknowledged and lost in an unclean election is told', async () => {
  const service: Service = async (run) => {
    run.invariants.noLossAfterAck('orders')
    const producer = await producerOf(run)
    for (const key of ['o-1', 'o-2']) {
      await producer.send({ topic: 'orders', compression: CompressionTypes.GZIP, messages: [{ key, value: 'new' }] })
    }
    await run.kafka.faults.partition('orders', 0).moveLeader(2, { unclean: true, lose: 1 })
  }
  const error = await failureOf(explore(service, { seed: 1, runs: 1, broker: { brokers: 2, topics: { orders: 1 } } }))
  expect(error.message).toContain('acknowledged and lost: orders-0 has no record 1 with what was sent')
})

test('what retention and compaction took is no loss, and records before a group that begins at the end need not be processed', async () => {
  await explore(async (run) => {
    const { kafka } = run
    kafka.topic('prices').append({ key: 'before', value: '0' })
    run.invariants.noLossAfterAck('prices')
    run.invariants.noLossAfterAck('orders')
    const processed = run.invariants.committedIsProcessed('late', { from: 'now' })
    const producer = await producerOf(run)
    for (const value of ['1', '2', '3']) {
      await producer.send({ topic: 'prices', messages: [{ key: 'a', value }] })
      await producer.send({ topic: 'orders', messages: [{ key: 'a', value }] })
    }
    await kafka.topic('prices').compactNow()
    await kafka.log.core.openTopics.find(({ entry }) => entry.name === 'orders')!.logs[0]!.deleteRecords(2)
    for (const offset of ['1', '2', '3']) processed({ topic: 'prices', partition: 0, offset })
    const admin = clientOf(run).admin()
    run.onEnd(() => admin.disconnect())
    await admin.connect()
    await admin.setOffsets({ groupId: 'late', topic: 'prices', partitions: [{ partition: 0, offset: '4' }] })
    expect(await kafka.topic('prices').committed('late')).toEqual([4])
  }, { seed: 1, runs: 1, broker: { topics: { orders: 1, prices: { partitions: 1, config: { 'cleanup.policy': 'compact' } } } } })
})

test('keys of records that were deleted, and rows that were, are no loss', async () => {
  await explore(async (run) => {
    const { kafka } = run
    const safe = run.invariants.noLossAfterAck('orders')
    run.invariants.noLossAfterAck('prices')
    const producer = await producerOf(run)
    await producer.send({ topic: 'orders', messages: [{ key: 'a', value: '1' }] })
    safe('a')
    await kafka.topic('orders').deleteRecords(0, 1)
    for (const value of ['1', null]) await producer.send({ topic: 'prices', messages: [{ key: 'a', value }] })
    for (const value of ['1', '2']) {
      await kafka.topic('prices').compactNow()
      await run.sleep('1m')
      await producer.send({ topic: 'prices', messages: [{ key: 'b', value }] })
    }
    await kafka.topic('prices').compactNow()
    expect(kafka.topic('prices').records().map(({ key }) => key)).toEqual(['b'])
  }, {
    seed: 1, runs: 1, longest: '10m',
    broker: { topics: { orders: 1, prices: { partitions: 1, config: { 'cleanup.policy': 'compact', 'delete.retention.ms': 1000 } } } },
  })
})

test('records of one key in two partitions are told, and what is no part of a whole is not', async () => {
  const error = await failureOf(explore(async (run) => {
    run.invariants.allOrNothing(['orders'], { by: () => undefined, parts: 2 })
    run.invariants.keyOrder('orders')
    run.kafka.topic('orders').append({ key: 'a', value: '1', partition: 0 })
    run.kafka.topic('orders').append({ key: 'a', value: '2', partition: 1 })
    await run.sleep(10)
  }, { seed: 1, runs: 1, broker: { topics: { orders: 2 } } }))
  expect(error.message).toContain('the key "a" is in two partitions: orders-0@0 and orders-1@0')
})

/** Takes orders: the caller is told that his is safe. */
function accepts({ waits }: { readonly waits: boolean }): Service {
  return async (run) => {
    const acknowledged = run.invariants.noLossAfterAck('orders')
    const producer = await producerOf(run, {}, 0)
    const accept = async (key: string): Promise<void> => {
      const sent = producer.send({ topic: 'orders', messages: [{ key, value: 'new' }] })
      if (waits) await sent
      else sent.catch(() => {})
      acknowledged(key)
    }
    for (const key of ['o-1', 'o-2']) await accept(key).catch(() => {})
  }
}

function sendsAgain({ idempotent }: { readonly idempotent: boolean }): Service {
  return async (run) => {
    run.invariants.noDuplicates('orders')
    const producer = await producerOf(run, { idempotent })
    for (const key of ['o-1', 'o-2']) await producer.send({ topic: 'orders', messages: [{ key, value: 'new' }] })
  }
}

function versions({ waits }: { readonly waits: boolean }): Service {
  return async (run) => {
    run.invariants.keyOrder('rows', (record) => Number(record.text()))
    const producer = await producerOf(run)
    const sends: Promise<unknown>[] = []
    for (const value of ['1', '2']) {
      const sent = producer.send({ topic: 'rows', messages: [{ key: 'row', value }] })
      sends.push(sent)
      if (waits) await sent
    }
    await Promise.all(sends)
  }
}

/** Money that leaves one account and comes to another: both records have the id of the transfer. */
function transfers({ transactional }: { readonly transactional: boolean }): Service {
  return async (run) => {
    run.invariants.allOrNothing(['debits', 'credits'], { by: ({ key }) => key, parts: 2 })
    const producer = await producerOf(run, transactional ? { transactionalId: 'bank', maxInFlightRequests: 1, idempotent: true } : {})
    const headers: IHeaders = { from: 'a', to: 'b' }
    for (const key of ['t-1', 't-2']) {
      const messages = [{ key, value: '10', headers }]
      const transaction = transactional ? await producer.transaction() : undefined
      for (const topic of ['debits', 'credits']) await (transaction ?? producer).send({ topic, messages })
      await transaction?.commit()
    }
  }
}

/** Charges several orders at once, and commits each when it is done, or all when all are. */
function charges({ inOrder }: { readonly inOrder: boolean }): Service {
  return async (run) => {
    const { kafka } = run
    const processed = run.invariants.committedIsProcessed('billing')
    kafka.topic('orders').append([{ value: 'a' }, { value: 'b' }])
    const consumer = clientOf(run).consumer({ groupId: 'billing', maxWaitTimeInMs: 500 })
    run.onEnd(() => consumer.disconnect())
    await consumer.connect()
    await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
    let done = 0
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { topic, partition, messages } }) => {
        const commit = (offset: string): Promise<void> => consumer.commitOffsets([{ topic, partition, offset: String(Number(offset) + 1) }])
        await Promise.all(messages.map(async ({ offset }) => {
          await run.step('charge')
          processed({ topic, partition, offset })
          if (!inOrder) await commit(offset)
        }))
        if (inOrder) await commit(messages.at(-1)!.offset)
        done += messages.length
      },
    })
    await run.until(() => done >= 2)
  }
}

function clientOf({ kafka }: ExploredRun, retries = 20): Kafka {
  return new Kafka({
    clientId: 'service', brokers: kafka.bootstrap.split(','), socketFactory: kafka.socketFactory(), logLevel: logLevel.NOTHING,
    retry: { retries, initialRetryTime: 50 },
  })
}

async function producerOf(run: ExploredRun, config: ProducerConfig = {}, retries?: number): Promise<Producer> {
  const producer = clientOf(run, retries).producer(config)
  run.onEnd(() => producer.disconnect())
  await producer.connect()
  return producer
}

async function failureOf(exploration: Promise<unknown>): Promise<LogError> {
  const error: unknown = await exploration.then(() => undefined, (reason: unknown) => reason)
  if (isLogError(error, 'LOG_SCHEDULE_FAILED')) return error
  throw error ?? new Error('nothing was found')
}
