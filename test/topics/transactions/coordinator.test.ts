/*
 * The coordinator as clients see it: scripted producers of both versions of the protocol, zombies, time-outs, and coordinators that are
 * restarted between any two messages.
 */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { type KafkaErrorName } from '../../../src/format/kafka-errors.ts'
import { CommitLog, isLogError, string, type Topic } from '../../../src/index.ts'
import { type LogCore } from '../../../src/topics/log-core.ts'
import { FIRST_PRODUCER_ID } from '../../../src/topics/producer-ids.ts'
import { type TransactionCoordinator } from '../../../src/topics/transactions/coordinator.ts'
import { StateLog } from '../../../src/topics/transactions/state-log.ts'
import { newTransactionState, recordOf } from '../../../src/topics/transactions/transaction-state.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { afterwards, failure } from '../harness.ts'

const FIRST = FIRST_PRODUCER_ID
const A0 = { topic: 'a', partition: 0 }
const B0 = { topic: 'b', partition: 0 }

/** A folder with the topics `a` and `b`, opened again and again. */
class Place {
  disk = new SimulatedDisk({ seed: 7 })
  readonly clock = new ManualClock()
  log!: CommitLog
  a!: Topic<string, string>
  b!: Topic<string, string>
  #opens = 0

  async open(): Promise<void> {
    this.log = await CommitLog.open('/log', { files: this.disk, clock: this.clock, random: seededRandom(++this.#opens) })
    this.a = await this.log.topic('a', { key: string, value: string })
    this.b = await this.log.topic('b', { key: string, value: string })
  }

  get core(): LogCore {
    return this.log.core
  }

  get coordinator(): TransactionCoordinator {
    return this.core.transactions
  }

  async restart(how: 'close' | 'kill' | 'power' = 'kill'): Promise<void> {
    if (how === 'close') await this.log.close()
    else this.disk = this.disk.crash({ power: how === 'power' })
    await this.open()
  }

  values(topic: Topic<string, string>): (string | null)[] {
    return [...topic.partition(0).read()].map(({ value }) => value)
  }
}

async function place(): Promise<Place> {
  const one = new Place()
  await one.open()
  afterwards(() => one.log.close().catch(() => {}))
  return one
}

/** A producer as a client is one. */
class Client {
  readonly place: Place
  readonly id: string
  readonly version: number
  producerId = -1n
  producerEpoch = -1
  #sequences = new Map<string, number>()

  constructor(place: Place, version: number, id = 'tx') {
    this.place = place
    this.version = version
    this.id = id
  }

  get who() {
    return { transactionalId: this.id, producerId: this.producerId, producerEpoch: this.producerEpoch }
  }

  async init({ keep = false, timeoutMs = 60_000 } = {}): Promise<KafkaErrorName> {
    const { error, producerId, producerEpoch } = await this.place.coordinator.initProducerId({
      transactionalId: this.id, timeoutMs, ...(keep && { producerId: this.producerId, producerEpoch: this.producerEpoch }),
    })
    if (error === 'NONE') this.#become(producerId, producerEpoch)
    return error
  }

  async add(...partitions: { topic: string; partition: number }[]): Promise<KafkaErrorName[]> {
    const results = await this.place.coordinator.addPartitions({ ...this.who, partitions, version: this.version })
    return results.map(({ error }) => error)
  }

  /** Appends a record; gives the code of its error. */
  async produce(topic: 'a' | 'b', value: string): Promise<string> {
    const sequence = this.#sequences.get(topic) ?? 0
    const batch = encodeBatch([{ value: Buffer.from(value), timestamp: this.place.clock.now() }], {
      producerId: this.producerId, producerEpoch: this.producerEpoch, baseSequence: sequence, transactional: true,
    })
    const log = this.place[topic].partition(0)['log']
    try {
      await log.durable(log.appendBatch(batch).lastOffset)
      this.#sequences.set(topic, sequence + 1)
      return 'NONE'
    } catch (error) {
      if (isLogError(error)) return error.code
      throw error
    }
  }

  async end(committed: boolean): Promise<KafkaErrorName> {
    const { error, producerId, producerEpoch } = await this.place.coordinator.endTransaction({ ...this.who, committed, version: this.version })
    if (error === 'NONE' && this.version >= 2) this.#become(producerId, producerEpoch)
    return error
  }

  #become(producerId: bigint, producerEpoch: number): void {
    if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) this.#sequences.clear()
    this.producerId = producerId
    this.producerEpoch = producerEpoch
  }
}

for (const version of [1, 2]) {
  describe(`a producer of version ${version} of the protocol`, () => {
    test('commits and aborts, one transaction after the other', async () => {
      const one = await place()
      const client = new Client(one, version)
      expect([await client.init(), client.producerId, client.producerEpoch]).toEqual(['NONE', FIRST, 0])
      for (const [round, committed] of [true, false, true].entries()) {
        expect(await client.add(A0, B0)).toEqual(['NONE', 'NONE'])
        expect([await client.produce('a', `a${round}`), await client.produce('a', `x${round}`), await client.produce('b', `b${round}`)])
          .toEqual(['NONE', 'NONE', 'NONE'])
        expect(await client.end(committed)).toBe('NONE')
        expect(client.producerEpoch).toBe(version === 2 ? round + 1 : 0)
      }
      await one.clock.advance(0)
      expect([one.values(one.a), one.values(one.b)]).toEqual([['a0', 'x0', 'a2', 'x2'], ['b0', 'b2']])
      expect(await one.coordinator.describe(['tx'])).toMatchObject([{ error: 'NONE', state: 'CompleteCommit', partitions: [] }])
    })

    test('goes on with the same answers when the coordinator is restarted between any two messages', async () => {
      const steps: ((client: Client) => Promise<unknown>)[] = [
        (client) => client.init(), (client) => client.add(A0, B0), (client) => client.produce('a', 'one'), (client) => client.produce('b', 'one'),
        (client) => client.end(true), (client) => client.add(A0), (client) => client.produce('a', 'two'), (client) => client.end(false),
        (client) => client.add(B0), (client) => client.produce('b', 'three'), (client) => client.end(true),
      ]
      for (const how of ['close', 'kill', 'power'] as const) {
        for (let at = 1; at < steps.length; at++) {
          const one = await place()
          const client = new Client(one, version)
          const answers: unknown[] = []
          for (const [index, step] of steps.entries()) {
            if (index === at) await one.restart(how)
            answers.push(await step(client))
          }
          const inside = [2, 3, 4, 6, 7, 9, 10].includes(at)
          const refused = answers.flat().filter((answer) => answer !== 'NONE')
          // A transaction that is open when the process ends is aborted, and its producer fenced; any other point goes unnoticed. By the second
          // version a producer that aborts what is aborted already is given the next epoch, and goes on.
          expect([how, at, refused.length > 0]).toEqual([how, at, inside && !(version === 2 && (at === 6 || at === 7))])
          for (const answer of refused) {
            expect(['PRODUCER_FENCED', 'LOG_PRODUCER_FENCED', 'INVALID_TXN_STATE']).toContain(answer)
          }
          const [a, b] = [one.values(one.a), one.values(one.b)]
          const later = version === 2 ? ['three'] : []
          const expected = at > 4 ? [['one'], at > 7 && !inside ? ['one', 'three'] : undefined] : at > 1 ? [[], later] : [['one'], ['one', 'three']]
          expect([how, at, a]).toEqual([how, at, expected[0]])
          if (expected[1] !== undefined) expect([how, at, b]).toEqual([how, at, expected[1]])
          expect(one.a.partition(0).lastStableOffset).toBe(one.a.partition(0).highWatermark)
          await one.log.close()
        }
      }
    })

    test('is fenced by another one of its name, which aborts what it left', async () => {
      const one = await place()
      const zombie = new Client(one, version)
      await zombie.init()
      await zombie.add(A0)
      await zombie.produce('a', 'never')
      const next = new Client(one, version)
      expect([await next.init(), next.producerId, next.producerEpoch > 0]).toEqual(['NONE', FIRST, true])
      expect(await zombie.produce('a', 'late')).toBe('LOG_PRODUCER_FENCED')
      expect(await zombie.add(A0)).toEqual(['PRODUCER_FENCED'])
      expect([await zombie.end(true), await zombie.end(false)]).toEqual(['PRODUCER_FENCED', 'PRODUCER_FENCED'])
      await next.add(A0)
      await next.produce('a', 'mine')
      expect(await next.end(true)).toBe('NONE')
      await one.clock.advance(0)
      expect(one.values(one.a)).toEqual(['mine'])
    })

    test('is aborted and fenced when it takes too long', async () => {
      const one = await place()
      const client = new Client(one, version)
      await client.init({ timeoutMs: 5000 })
      await client.add(A0)
      await client.produce('a', 'slow')
      await one.clock.advance(4000)
      expect(await client.add(A0)).toEqual(['NONE'])
      await one.clock.advance(2000)
      // The epoch before is that of a request that was sent again: what has been aborted cannot be committed.
      expect(await client.end(true)).toBe(version === 2 ? 'INVALID_TXN_STATE' : 'PRODUCER_FENCED')
      expect(one.a.partition(0).lastStableOffset).toBe(one.a.partition(0).highWatermark)
      expect(await client.produce('a', 'late')).toBe('LOG_PRODUCER_FENCED')
      expect(await one.coordinator.describe(['tx'])).toMatchObject([{ state: 'CompleteAbort' }])
    })

    test('gets CONCURRENT_TRANSACTIONS only while a partition cannot take its marker', async () => {
      const one = await place()
      const client = new Client(one, version)
      await client.init()
      await client.add(A0, B0)
      await client.produce('a', 'in')
      await client.produce('b', 'in')
      one.disk.inject({ verb: 'sync', path: /a-0.*\.log$/, error: 'EIO', times: 1 })
      await failure(() => one.a.send({ value: 'fences it' }))
      expect(await client.end(true)).toBe('NONE')
      expect(one.values(one.a)).toEqual(['in'])
      expect(await client.add(A0)).toEqual(['CONCURRENT_TRANSACTIONS'])
      expect(await new Client(one, version).init()).toBe('CONCURRENT_TRANSACTIONS')
      await one.a.partition(0).reopen()
      await one.clock.advance(2000)
      expect(await client.add(A0)).toEqual(['NONE'])
      expect([one.values(one.a), one.values(one.b)]).toEqual([['in'], ['in']])
      await client.end(false)
    })
  })
}

test('an end that is sent again is answered again; another one is refused', async () => {
  const one = await place()
  for (const version of [1, 2]) {
    const client = new Client(one, version, `tx${version}`)
    await client.init()
    const before = client.who
    const end = async (committed: boolean, who = before): Promise<string> => (
      (await one.coordinator.endTransaction({ ...who, committed, version })).error
    )
    expect([await end(true), version === 1 ? await end(false) : 'INVALID_TXN_STATE']).toEqual(['INVALID_TXN_STATE', 'INVALID_TXN_STATE'])
    await client.add(A0)
    expect([await end(true), await end(true), await end(false)]).toEqual(['NONE', 'NONE', 'INVALID_TXN_STATE'])
    expect(await end(true, { ...before, producerId: 99n })).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(await end(true, { ...before, producerEpoch: 9 })).toBe('PRODUCER_FENCED')
    expect(await end(true, { ...before, transactionalId: 'unknown' })).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(await end(true, { ...before, transactionalId: '' })).toBe('INVALID_REQUEST')
  }
})

test('with version 2 an abort of nothing raises the epoch, and epochs that are used up bring a new producer id', async () => {
  const one = await place()
  const client = new Client(one, 2)
  const id = await one.core.takeProducerIds()
  await new StateLog(one.core).append('tx', recordOf({ ...newTransactionState(id, 60_000, one.clock.now()), producerEpoch: 0x7ff0 }))
  expect([await client.init(), client.producerId, client.producerEpoch]).toEqual(['NONE', id, 0x7ff1])
  expect([await client.end(false), client.producerEpoch]).toEqual(['NONE', 0x7ff2])
  for (let round = 0; client.producerEpoch < 0x7ffe && round < 0x8000; round++) await client.end(false)
  expect([client.producerId, client.producerEpoch]).toEqual([FIRST, 0x7ffe])
  await client.add(A0)
  expect(await client.produce('a', 'last of its epochs')).toBe('NONE')
  const last = client.who
  expect([await client.end(true), client.producerId, client.producerEpoch]).toEqual(['NONE', FIRST + 1000n, 0])
  const again = await one.coordinator.endTransaction({ ...last, committed: true, version: 2 })
  expect(again).toEqual({ error: 'NONE', producerId: FIRST + 1000n, producerEpoch: 0 })
  await client.add(A0)
  expect([await client.produce('a', 'first'), await client.end(true)]).toEqual(['NONE', 'NONE'])
  await one.clock.advance(0)
  expect(one.values(one.a)).toEqual(['last of its epochs', 'first'])
})

test('a producer that goes on after an error keeps its id while nobody took it over', async () => {
  const one = await place()
  const client = new Client(one, 1)
  await client.init()
  const before = client.who
  expect([await client.init({ keep: true }), client.producerEpoch]).toEqual(['NONE', 1])
  // It asks again with the epoch before: the answer was lost.
  expect(await one.coordinator.initProducerId({ ...before, timeoutMs: 60_000 })).toEqual({ error: 'NONE', producerId: FIRST, producerEpoch: 1 })
  await new Client(one, 1).init()
  expect(await client.init({ keep: true })).toBe('PRODUCER_FENCED')
  const foreign = await one.coordinator.initProducerId({ transactionalId: 'tx', timeoutMs: 1, producerId: 77n, producerEpoch: 0 })
  expect(foreign.error).toBe('PRODUCER_FENCED')
})

test('what nobody may ask is refused by name', async () => {
  const one = await place()
  const { coordinator } = one
  const init = async (transactionalId: string | null, timeoutMs: number): Promise<string> => (
    (await coordinator.initProducerId({ transactionalId, timeoutMs })).error
  )
  expect([await init('', 1), await init('x', 0), await init('x', 900_001), await init(null, 0)])
    .toEqual(['INVALID_REQUEST', 'INVALID_TRANSACTION_TIMEOUT', 'INVALID_TRANSACTION_TIMEOUT', 'NONE'])
  const client = new Client(one, 2)
  expect(await client.add(A0)).toEqual(['INVALID_PRODUCER_ID_MAPPING'])
  await client.init()
  expect(await client.add(A0, { topic: 'nowhere', partition: 0 }, { topic: 'a', partition: 5 }))
    .toEqual(['OPERATION_NOT_ATTEMPTED', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION'])
  await client.add(A0)
  const verified = await coordinator.addPartitions({ ...client.who, partitions: [A0, B0], verifyOnly: true })
  expect(verified.map(({ error }) => error)).toEqual(['NONE', 'TRANSACTION_ABORTABLE'])
})

test('a partition that is added again and again is a part once', async () => {
  const one = await place()
  const client = new Client(one, 1)
  await client.init()
  expect(await client.add(A0, A0, B0, A0)).toEqual(['NONE', 'NONE', 'NONE', 'NONE'])
  expect(await client.add(B0, B0)).toEqual(['NONE', 'NONE'])
  expect((await one.coordinator.describe(['tx']))[0]!.partitions).toEqual([A0, B0])
})

test('a record of the topic that nobody understands keeps no transaction from going on', async () => {
  const one = await place()
  const client = new Client(one, 1)
  await client.init()
  expect(await client.add(A0)).toEqual(['NONE'])
  const state = (await one.core.existingTopic('__transaction_state'))!
  for (const key of [Buffer.from('x'), Buffer.from([0, 0, 0]), Buffer.from([0, 0, 0, 2, 116, 120])]) {
    for (const value of [Buffer.from('not one'), Buffer.from([0, 99])]) state.logs[0]!.appendBatch(encodeBatch([{ key, value }]), 'coordinator')
  }
  await state.logs[0]!.flush()
  await one.restart('close')
  const again = new Client(one, 1)
  await again.init()
  expect(again.producerId).toBe(client.producerId)
  expect(await again.add(A0)).toEqual(['NONE'])
})

test('transactions and producers are listed and described, those of this process too', async () => {
  const one = await place()
  const client = new Client(one, 2)
  await client.init()
  await client.add(A0, B0)
  await client.produce('a', 'x')
  const tx = await one.log.beginTransaction({ transactionalId: 'mine' })
  await tx.send(one.b, { value: 'y' })
  await one.b.flush()
  const { transactions } = await one.coordinator.list()
  expect(transactions).toEqual([
    { transactionalId: 'tx', producerId: FIRST, state: 'Ongoing' }, { transactionalId: 'mine', producerId: FIRST + 1n, state: 'Ongoing' },
  ])
  expect((await one.coordinator.list({ states: ['Empty', 'Lost'] }))).toEqual({ error: 'NONE', unknownStates: ['Lost'], transactions: [] })
  expect((await one.coordinator.list({ producerIds: [FIRST + 1n] })).transactions.length).toBe(1)
  expect((await one.coordinator.list({ durationMs: 1000 })).transactions.length).toBe(0)
  expect((await one.coordinator.list({ pattern: /^t/ })).transactions.length).toBe(1)
  expect(await one.coordinator.describe(['tx', 'mine', 'nobody', ''])).toMatchObject([
    { error: 'NONE', state: 'Ongoing', producerId: FIRST, partitions: [A0, B0], timeoutMs: 60_000 },
    { error: 'NONE', state: 'Ongoing', producerId: FIRST + 1n, partitions: [B0], timeoutMs: 60_000 },
    { error: 'TRANSACTIONAL_ID_NOT_FOUND' }, { error: 'INVALID_REQUEST' },
  ])
  expect(one.coordinator.describeProducers(one.a.partition(0)['log'])).toMatchObject([
    { producerId: FIRST, producerEpoch: 0, lastSequence: 0, currentTransactionStartOffset: 0 },
  ])
})

test('a transaction of this process fences clients of its name, and they fence it', async () => {
  const one = await place()
  const client = new Client(one, 2, 'shared')
  await client.init()
  await client.add(A0)
  await client.produce('a', 'client')
  const tx = await one.log.beginTransaction({ transactionalId: 'shared' })
  expect(await client.end(true)).toBe('PRODUCER_FENCED')
  await tx.send(one.a, { value: 'process' })
  const second = await one.log.beginTransaction({ transactionalId: 'shared' })
  expect(await failure(() => tx.commit())).toMatchObject({ code: 'LOG_PRODUCER_FENCED' })
  await second.send(one.a, { value: 'second' })
  expect(await client.init()).toBe('NONE')
  expect(await failure(() => second.commit())).toMatchObject({ code: 'LOG_PRODUCER_FENCED' })
  await one.log.transaction((third) => void third.send(one.a, { value: 'third' }), { transactionalId: 'shared' })
  expect(one.values(one.a)).toEqual(['third'])
})

test('transactional ids that nobody used for a week are forgotten, and those of a process that is gone at once', async () => {
  const one = await place()
  const client = new Client(one, 2)
  await client.init()
  await one.log.transaction(async (tx) => { await tx.send(one.a, { value: 'a' }); await tx.send(one.b, { value: 'b' }) })
  await one.restart('close')
  await one.coordinator.expireIds()
  await one.clock.advance(10)       // the mark, which the first round after an open waits for
  await one.clock.advance(10)
  expect((await one.coordinator.list()).transactions.map(({ transactionalId }) => transactionalId)).toEqual(['tx'])
  one.clock.setNow(one.clock.now() + 604_800_000)
  await one.coordinator.expireIds()
  expect((await one.coordinator.list()).transactions).toEqual([])
  await one.restart('kill')
  expect((await one.coordinator.list()).transactions).toEqual([])
  expect(await client.add(A0)).toEqual(['INVALID_PRODUCER_ID_MAPPING'])
})
