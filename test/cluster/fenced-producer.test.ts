/*
 * A producer of plain sends, and who shuts it out.
 */
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { type OpenClusterLog } from '../../src/cluster/cluster-log.ts'
import { FencedProducer } from '../../src/cluster/fenced-producer.ts'
import { type ClusterLog, type ClusterTopic, connect } from '../../src/cluster/index.ts'
import { type ProducerIdentity } from '../../src/cluster/producer-identity.ts'
import { type Sendable } from '../../src/cluster/transaction.ts'
import { string } from '../../src/topics/codecs.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { startTestBroker, type TestBroker } from '../../src/testing/index.ts'
import { afterwards, collect, failure } from '../topics/harness.ts'

const Words = defineTopic('words', { partitions: 2, value: string })
const ID = 'one-id'
const places = [{ topic: 'words', partition: 0, from: 0 }, { topic: 'words', partition: 1, from: 0 }]

/** A connection whose clock can be set. */
class Connection {
  readonly log: ClusterLog
  readonly words: ClusterTopic<string, string>
  readonly #time: { ahead: number }

  private constructor(log: ClusterLog, words: ClusterTopic<string, string>, time: { ahead: number }) {
    this.log = log
    this.words = words
    this.#time = time
  }

  static async to({ bootstrap }: TestBroker): Promise<Connection> {
    const time = { ahead: 0 }
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + time.ahead }
    const log = await connect({ brokers: bootstrap, clock })
    afterwards(() => log.close())
    return new Connection(log, await log.topic(Words), time)
  }

  setAhead(ms: number): void {
    this.#time.ahead = ms
  }

  async producer(): Promise<FencedProducer> {
    const producer = await FencedProducer.open((this.log as OpenClusterLog).connected, ID)
    afterwards(() => producer.close())
    return producer
  }

  async send(producer: FencedProducer, ...values: string[]): Promise<void> {
    await producer.send((this.words as unknown as Sendable<string, string>).target, values.map((value) => ({ value, partition: 0 })))
  }
}

/** Places where somebody's batches are looked for. */
function placesOf({ name: { producerId, epoch } }: FencedProducer): (typeof places[number] & { readonly of: ProducerIdentity })[] {
  return places.map((place) => ({ ...place, of: { producerId: BigInt(producerId), producerEpoch: epoch } }))
}

async function broker(): Promise<TestBroker> {
  const kafka = await startTestBroker()
  afterwards(() => kafka.close())
  return kafka
}

/** The code of what a send failed with. */
async function codeOf(send: () => Promise<unknown>): Promise<unknown> {
  const [first] = (await failure(send)).detail!['results'] as readonly { readonly code?: string }[]
  return first?.code
}

test('whoever has the id next learns what was stored, and nothing is stored behind that', async () => {
  const kafka = await broker()
  const [one, other] = [await Connection.to(kafka), await Connection.to(kafka)]
  const before = await one.producer()
  await before.enter(places)
  await one.send(before, 'a', 'b')
  await one.words.send({ value: 'of others', partition: 0 })
  await one.send(before, 'c')
  const after = await other.producer()
  const [stored, empty] = await after.enter(placesOf(before))
  expect(stored!.batches.map(({ baseSequence, baseOffset, lastOffset }) => [baseSequence, baseOffset, lastOffset])).toEqual([[0, 1, 2], [2, 4, 4]])
  expect([stored!.marker, stored!.isMissingFrom(0), empty!.batches, empty!.marker]).toEqual([5, false, [], 1])
  expect(await codeOf(() => one.send(before, 'd'))).toBe('LOG_PRODUCER_FENCED')
  await other.send(after, 'e')
  expect((await collect(one.words.consumer({ partitions: [0], until: 'end' }))).map(({ value }) => value)).toEqual(['a', 'b', 'of others', 'c', 'e'])
})

for (const { name, ahead } of [{ name: 'after a minute', ahead: 60_000 }, { name: 'when the clock was set back', ahead: -60_000 }]) {
  test(`a producer whose id is another one's by now learns it from the coordinator ${name}, wherever it was not shut out`, async () => {
    const kafka = await broker()
    const [one, other] = [await Connection.to(kafka), await Connection.to(kafka)]
    const before = await one.producer()
    await before.enter(places)
    await other.producer()
    await one.send(before, 'a')
    one.setAhead(ahead)
    expect(await codeOf(() => one.send(before, 'b'))).toBe('LOG_PRODUCER_FENCED')
    expect((await collect(one.words.consumer({ until: 'end' }))).map(({ value }) => value)).toEqual(['a'])
  })
}

test('a producer that is still the one with its id sends on after an hour, and the coordinator stores nothing for that', async () => {
  const kafka = await broker()
  const one = await Connection.to(kafka)
  const producer = await one.producer()
  await producer.enter(places)
  const before = (await one.words.offsets()).map(({ highWatermark }) => highWatermark)
  one.setAhead(3_600_000)
  await one.send(producer, 'a')
  expect((await one.words.offsets()).map(({ highWatermark }) => highWatermark)).toEqual([before[0]! + 1, before[1]!])
})

test('behind a batch that was given up nothing is sent any more', async () => {
  const kafka = await broker()
  const one = await Connection.to(kafka)
  const producer = await one.producer()
  await producer.enter(places)
  kafka.faults.on('Produce').once().error('INVALID_RECORD')
  expect(await codeOf(() => one.send(producer, 'a'))).toBe('LOG_RECORD_INVALID')
  expect(await codeOf(() => one.send(producer, 'b'))).toBe('LOG_SEND_UNKNOWN')
})

test('what is deleted is missing, and what is not there yet is not', async () => {
  const kafka = await broker()
  const one = await Connection.to(kafka)
  const producer = await one.producer()
  await producer.enter(places)
  await one.send(producer, 'a', 'b')
  await (await kafka.log.topic(Words)).deleteRecords({ 0: 3 })
  const [first, second] = await (await one.producer()).enter(placesOf(producer).map((place) => ({ ...place, from: 1 })))
  expect([first!.isMissingFrom(2), first!.isMissingFrom(3), second!.isMissingFrom(1)]).toEqual([true, false, false])
})

test('the partitions of a transaction that are sent to in one go are named in one question', async () => {
  const kafka = await broker()
  const { log, words } = await Connection.to(kafka)
  await log.transaction(async (transaction) => {
    await transaction.send(words, [{ value: 'a', partition: 0 }, { value: 'b', partition: 1 }])
  })
  expect(kafka.journal.of('AddPartitionsToTxn').length).toBe(1)
  expect((await collect(words.consumer({ until: 'end' }))).length).toBe(2)
})
