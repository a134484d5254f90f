/*
 * Each fault as a client of the wire sees it, when it happens and when it does not, and that one which never happened fails the test.
 */
import { expect, test } from 'vitest'
import { kafkaErrors } from '../../../src/format/kafka-errors.ts'
import { apiNames } from '../../../src/kafka/api-names.ts'
import { apis } from '../../../src/kafka/apis.ts'
import { produce } from '../../../src/kafka/apis/00-produce.ts'
import { fetch } from '../../../src/kafka/apis/01-fetch.ts'
import { listOffsets } from '../../../src/kafka/apis/02-list-offsets.ts'
import { metadata } from '../../../src/kafka/apis/03-metadata.ts'
import { findCoordinator } from '../../../src/kafka/apis/10-find-coordinator.ts'
import { heartbeat } from '../../../src/kafka/apis/12-heartbeat.ts'
import { apiVersions } from '../../../src/kafka/apis/18-api-versions.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { isLogError } from '../../../src/index.ts'
import { runScenario } from '../../../src/testing/faults/scenario.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { type RawClient } from '../../kafka/harness.ts'
import { client, fetchOne, isOpen, produceOne, startBroker } from '../broker/harness.ts'

const batch = encodeBatch([{ value: Buffer.from('v') }])

/** Produces to partitions of `t` and gives the error of each. */
async function errors(raw: RawClient, partitions: readonly number[], version = 9): Promise<number[]> {
  const { responses } = await raw.request(produce, version, {
    acks: -1, timeoutMs: 1000, topicData: [{ name: 't', partitionData: partitions.map((index) => ({ index, records: batch })) }],
  })
  const rows = responses.flatMap(({ partitionResponses }) => partitionResponses)
  return partitions.map((partition) => rows.find(({ index }) => index === partition)!.errorCode)
}

test('an error is for the requests that it is about, so many times, and nothing is applied', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  const fault = kafka.faults.on('Produce').times(2).error('NOT_LEADER_OR_FOLLOWER')
  for (const error of [6, 6, 0]) expect(await errors(raw, [0])).toEqual([error])
  expect(fault).toMatchObject({ fired: 2, calls: 2 })
  expect(kafka.topic('t').records()).toHaveLength(1)
})

test('an error after the request was applied leaves what it did', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  kafka.faults.on('Produce').once().error('REQUEST_TIMED_OUT', { when: 'after-apply' })
  expect(await errors(await client(kafka), [0])).toEqual([kafkaErrors.REQUEST_TIMED_OUT])
  expect(kafka.topic('t').records()).toHaveLength(1)
})

for (const when of ['before-apply', 'after-apply'] as const) {
  test(`an error about one partition ${when} leaves the others alone`, async () => {
    const kafka = await startBroker({ topics: { t: 3 } })
    const raw = await client(kafka)
    kafka.faults.on('Produce', { topic: 't', partition: 1 }).error('NOT_LEADER_OR_FOLLOWER', { when })
    expect(await errors(raw, [0, 1, 2])).toEqual([0, 6, 0])
    expect(await errors(raw, [1])).toEqual([6])
    expect(kafka.topic('t').offsets.map(({ end }) => end)).toEqual([1, when === 'before-apply' ? 0 : 2, 1])
  })
}

test('an error about a partition that is fetched is told at once, also in a session and by topic id', async () => {
  const kafka = await startBroker({ topics: { t: 2 } })
  const raw = await client(kafka)
  const asked = { maxWaitMs: 0, minBytes: 1, maxBytes: 1000 }
  const partitions = [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 }))
  const topicId = (await kafka.log.topics())[0]!.id
  const begun = await raw.request(fetch, 13, { ...asked, sessionId: 0, sessionEpoch: 0, topics: [{ topicId, partitions }] })
  const fault = kafka.faults.on('Fetch', { topic: 't', partition: 1 }).once().error('FENCED_LEADER_EPOCH')
  const told = await raw.request(fetch, 13, { ...asked, maxWaitMs: 60_000, sessionId: begun.sessionId, sessionEpoch: 1, topics: [] })
  expect(told.responses).toMatchObject([{ topicId, partitions: [{ partitionIndex: 1, errorCode: kafkaErrors.FENCED_LEADER_EPOCH }] }])
  expect(fault.fired).toBe(1)
  kafka.faults.on('Fetch', { topic: 't' }).once().error('NOT_LEADER_OR_FOLLOWER')
  const all = await raw.request(fetch, 12, { ...asked, sessionId: 0, sessionEpoch: -1, topics: [{ topic: 't', partitions }] })
  expect(all.responses.flatMap((row) => row.partitions).map(({ errorCode }) => errorCode)).toEqual([6, 6])
})

test('faults are about clients, connections, brokers, groups and what a function says', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, brokers: 2 })
  const [one, two, elsewhere] = [await client(kafka), await client(kafka), await client(kafka, 1)]
  two.clientId = 'worker-2'
  kafka.faults.on('ListOffsets', { client: /^worker/ }).error('LEADER_NOT_AVAILABLE')
  const asked = { replicaId: -1, topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }] }
  const errorOf = async (raw: RawClient): Promise<number> => (await raw.request(listOffsets, 3, asked)).topics[0]!.partitions[0]!.errorCode
  expect(await errorOf(two)).toBe(5)
  expect(await errorOf(one)).not.toBe(5)
  kafka.faults.on('FindCoordinator', { broker: kafka.brokers[1]!.nodeId }).error('COORDINATOR_NOT_AVAILABLE')
  expect((await elsewhere.request(findCoordinator, 2, { key: 'g', keyType: 0 })).errorCode).toBe(15)
  expect((await one.request(findCoordinator, 2, { key: 'g', keyType: 0 })).errorCode).toBe(0)
  kafka.faults.on('Heartbeat', { group: 'g' }).error('REBALANCE_IN_PROGRESS')
  expect((await one.request(heartbeat, 3, { groupId: 'g', generationId: 1, memberId: 'm' })).errorCode).toBe(27)
  kafka.faults.on('Metadata').matching((request) => request['allowAutoTopicCreation'] === false).error('UNKNOWN_SERVER_ERROR')
  expect((await one.request(metadata, 9, { topics: [{ name: 't' }], allowAutoTopicCreation: false })).topics[0]!.errorCode).toBe(-1)
  expect((await one.request(metadata, 9, { topics: [{ name: 't' }] })).topics[0]!.errorCode).toBe(0)
})

test('the same seed draws the same faults; every so many, and the n-th call', async () => {
  const run = async (seed: number): Promise<number[]> => {
    const kafka = await startBroker({ topics: { t: 1 }, seed })
    const raw = await client(kafka)
    kafka.faults.on('Produce').withProbability(0.5).error('REQUEST_TIMED_OUT')
    const found: number[] = []
    for (let call = 0; call < 20; call++) found.push(...await errors(raw, [0]))
    await kafka.close()
    return found
  }
  const first = await run(1)
  expect(await run(1)).toEqual(first)
  expect(await run(2)).not.toEqual(first)
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  kafka.faults.on('Produce').every(2).error('REQUEST_TIMED_OUT')
  kafka.faults.on('Produce').onCall(3).error('NOT_LEADER_OR_FOLLOWER')
  const found: number[] = []
  for (let call = 0; call < 4; call++) found.push(...await errors(raw, [0]))
  expect(found).toEqual([0, 7, 6, 7])
})

test('connections are closed, before and after the request was applied, reset, and half closed', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  for (const [when, count] of [['before-apply', 0], ['after-apply', 1]] as const) {
    const raw = await client(kafka)
    kafka.faults.on('Produce').once().dropConnection({ when })
    await expect(errors(raw, [0])).rejects.toThrow('the connection was closed')
    expect(kafka.topic('t').records()).toHaveLength(count)
  }
  for (const end of ['resetConnection', 'halfClose'] as const) {
    const raw = await client(kafka)
    kafka.faults.on('Produce').once()[end]()
    await expect(errors(raw, [0])).rejects.toThrow('the connection was closed')
  }
})

test('silence holds requests until the fault is over; a black hole swallows all of a client', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  const silence = kafka.faults.on('Produce').silence()
  let answered = false
  const asked = errors(raw, [0]).finally(() => { answered = true })
  await kafka.until(() => (silence.fired > 0 ? true : undefined), 'nothing came')
  expect([answered, kafka.topic('t').records().length]).toEqual([false, 0])
  silence.cancel()
  expect(await asked).toEqual([0])
  const hole = kafka.faults.client('raw').blackhole()
  const lost = raw.request(apiVersions, 0, {})
  await kafka.until(() => (hole.fired > 0 ? true : undefined), 'nothing came')
  hole.cancel()
  expect((await lost).errorCode).toBe(0)
})

test('delays take time of the broker', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual' })
  const raw = await client(kafka)
  const fault = kafka.faults.on('Produce').delay('2s')
  let answered = false
  const asked = errors(raw, [0]).finally(() => { answered = true })
  await kafka.until(() => (fault.fired > 0 ? true : undefined), 'nothing came')
  await kafka.clock.advance(1999)
  expect(answered).toBe(false)
  await kafka.clock.advance(1)
  expect(await asked).toEqual([0])
})

test('what a client sent behind a request that is delayed is applied behind it', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  kafka.faults.on('Produce').once().delay(30)
  await Promise.all(['1', '2', '3'].map((value) => produceOne(raw, 't', 0, value)))
  expect(kafka.topic('t').records().map((record) => record.text())).toEqual(['1', '2', '3'])
})

test('answers come with throttle times, wrong bytes, cut, in pieces, twice, and as a test wants them', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  kafka.faults.on('ApiVersions').once().throttle(100)
  expect((await raw.request(apiVersions, 2, {})).throttleTimeMs).toBe(100)
  kafka.faults.on('ApiVersions').once().split(3)
  expect((await raw.request(apiVersions, 2, {})).errorCode).toBe(0)
  kafka.faults.on('ApiVersions').once().duplicate()
  expect((await raw.request(apiVersions, 2, {})).errorCode).toBe(0)
  kafka.faults.on('ApiVersions').once().answer((response) => ({ ...response, apiKeys: [] }))
  expect((await raw.request(apiVersions, 2, {})).apiKeys).toEqual([])
  kafka.faults.on('Metadata').once().shiftEpochs(5)
  expect((await raw.request(metadata, 9, { topics: [{ name: 't' }] })).topics[0]!.partitions[0]!.leaderEpoch).toBe(5)
  kafka.topic('t').append({ value: 'v' })
  kafka.faults.on('Fetch').once().corrupt('crc')
  const [wrong, right] = [(await fetchOne(raw, 't')).records!, (await fetchOne(raw, 't')).records!]
  expect(wrong[17]! ^ right[17]!).toBe(0xff)
  kafka.faults.on('ApiVersions').once().corrupt('correlation-id')
  const strange = raw.next()
  const unanswered = raw.request(apiVersions, 2, {}).catch(() => {})
  expect((await strange).readInt32BE(4)).toBeGreaterThan(1000)
  kafka.faults.on('ApiVersions').once().truncate(6)
  await expect(raw.request(apiVersions, 2, {})).rejects.toThrow('the connection was closed')
  await unanswered
  kafka.faults.check()
})

test('metadata is as it was when the fault was asked for', async () => {
  const kafka = await startBroker({ brokers: 2, topics: { t: 1 } })
  const raw = await client(kafka)
  const partition = kafka.faults.partition('t', 0)
  const before = partition.leader
  const other = kafka.brokers.find(({ nodeId }) => nodeId !== before)!.nodeId
  const stale = kafka.faults.on('Metadata').once().staleMetadata()
  await partition.moveLeader(other)
  const leaderOf = async (): Promise<number> => (await raw.request(metadata, 9, { topics: [{ name: 't' }] })).topics[0]!.partitions[0]!.leaderId
  expect(await leaderOf()).toBe(before)
  expect(stale.fired).toBe(1)
  expect(await leaderOf()).toBe(other)
})

test('a leader moves, cleanly or with a loss, in a new epoch', async () => {
  const kafka = await startBroker({ brokers: 3, topics: { t: 1 } })
  const partition = kafka.faults.partition('t', 0)
  const [from, to] = [partition.leader, kafka.brokers.find(({ nodeId }) => nodeId !== partition.leader)!.nodeId]
  const place = (nodeId: number): number => kafka.brokers.findIndex((broker) => broker.nodeId === nodeId)
  const [old, next] = [await client(kafka, place(from)), await client(kafka, place(to))]
  for (const value of ['1', '2', '3']) expect(await produceOne(old, 't', 0, value)).toMatchObject({ errorCode: 0 })
  const waiting = fetchOne(old, 't', { from: 3, maxWaitMs: 60_000 })
  await kafka.until(() => kafka.journal.of('Fetch')[0], 'no fetch')
  await partition.moveLeader(to)
  expect((await waiting).errorCode).toBe(kafkaErrors.NOT_LEADER_OR_FOLLOWER)
  expect(await produceOne(old, 't', 0, 'x')).toMatchObject({ errorCode: 6 })
  expect(await produceOne(next, 't', 0, '4')).toMatchObject({ errorCode: 0, baseOffset: 3 })
  await partition.moveLeader(from, { unclean: true, lose: 2 })
  expect(kafka.topic('t').records().map((record) => record.text())).toEqual(['1', '2'])
  expect((await produceOne(old, 't', 0, '5')).baseOffset).toBe(2)
  expect(kafka.topic('t').records().map(({ leaderEpoch }) => leaderEpoch)).toEqual([0, 0, 2])
  await expect(partition.moveLeader(99)).rejects.toThrow('there is no broker 99: there are 1, 2, 3')
  await expect(partition.moveLeader(1, { lose: 1 })).rejects.toThrow('lose needs { unclean: true }')
})

test('a broker that goes down is gone from metadata, its partitions and coordinators are elsewhere, and it comes back', async () => {
  const kafka = await startBroker({ brokers: 3, topics: { t: 6 } })
  const [one, three] = [await client(kafka), await client(kafka, 2)]
  await kafka.faults.broker(3).down()
  await three.closed
  expect(await isOpen(kafka.brokers[2]!.port)).toBe(false)
  const { brokers, topics } = await one.request(metadata, 9, { topics: [{ name: 't' }] })
  expect(brokers.map(({ nodeId }) => nodeId)).toEqual([1, 2])
  expect(topics[0]!.partitions.every(({ leaderId }) => leaderId === 1 || leaderId === 2)).toBe(true)
  expect(topics[0]!.partitions.filter(({ leaderEpoch }) => leaderEpoch === 1)).toHaveLength(2)
  for (const key of ['a', 'b', 'c', 'd']) expect((await one.request(findCoordinator, 2, { key, keyType: 0 })).nodeId).not.toBe(3)
  await kafka.faults.broker(3).up()
  expect((await one.request(metadata, 9, { topics: [] })).brokers).toHaveLength(3)
  expect((await (await client(kafka, 2)).request(apiVersions, 0, {})).errorCode).toBe(0)
})

test('coordinators move, and clients of the old one are told', async () => {
  const kafka = await startBroker({ brokers: 2 })
  const raw = await client(kafka)
  const group = kafka.faults.group('g')
  group.moveCoordinator(2)
  expect((await raw.request(heartbeat, 3, { groupId: 'g', generationId: 1, memberId: 'm' })).errorCode).toBe(kafkaErrors.NOT_COORDINATOR)
  expect((await raw.request(findCoordinator, 2, { key: 'g', keyType: 0 })).nodeId).toBe(2)
  kafka.faults.transactions('tx').moveCoordinator(1)
  expect((await raw.request(findCoordinator, 2, { key: 'tx', keyType: 1 })).nodeId).toBe(1)
})

test('scenarios run by the clock of the broker', async () => {
  const kafka = await startBroker({ brokers: 3, topics: { t: 1 }, clock: 'virtual' })
  const done = kafka.faults.run('t+0 down 3; t+5s up 3\n t+6s move t-0 to 2; t+7s rehash coordinators')
  await kafka.clock.advance('1s')
  expect(await isOpen(kafka.brokers[2]!.port)).toBe(false)
  await kafka.clock.advance('6s')
  await done
  expect(await isOpen(kafka.brokers[2]!.port)).toBe(true)
  expect(kafka.faults.partition('t', 0).leader).toBe(2)
  await expect(kafka.faults.run('down 3')).rejects.toThrow('a step is "t+5s down 2"')
  await expect(kafka.faults.run('t+5s explode')).rejects.toThrow('a step says')
  const [one, two] = [kafka.faults.run('t+0 down 9'), kafka.faults.run('t+0 move none-0 to 2')]
  const told = Promise.all([expect(one).rejects.toThrow('there is no broker 9'), expect(two).rejects.toThrow('there is no topic "none"')])
  await kafka.clock.advance(1)
  await told
})

test('a scenario ends with the faults of its test, and does nothing to the next one', async () => {
  const kafka = await startBroker({ brokers: 2, topics: { t: 1 } })
  const { port } = kafka.brokers[1]!
  const done = kafka.faults.run('t+0 down 2; t+50 up 2; t+60 down 1')
  await kafka.until(() => (kafka.faults.partition('t', 0).leader === 1 ? true : undefined), 'broker 2 leads')
  await kafka.reset()
  await done
  await new Promise((resolve) => setTimeout(resolve, 80))
  expect(await isOpen(kafka.brokers[0]!.port)).toBe(true)
  const late = kafka.faults.run('t+0 down 2; t+50 up 2')
  await new Promise((resolve) => setTimeout(resolve, 20))
  await kafka.close()
  await late
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(await isOpen(port)).toBe(false)
})

test('a scenario that nobody waits for any more when it begins does nothing', async () => {
  const clock = new ManualClock({ now: 0 })
  const done: string[] = []
  const verb = (name: string) => (): Promise<void> => Promise.resolve(void done.push(name))
  const verbs = { down: verb('down'), up: verb('up'), moveLeader: verb('move'), rehashCoordinators: verb('rehash') }
  const running = runScenario('t+0 down 2; t+5s up 2', clock, verbs, AbortSignal.abort())
  await clock.advance(10_000)
  await running
  expect(done).toEqual([])
})

test('what cannot be done to any answer is told at once', async () => {
  const kafka = await startBroker({ brokers: 2, topics: { t: 1 } })
  expect(() => kafka.faults.on('Produce').staleMetadata()).toThrow("use on('Metadata'), not on Produce")
  expect(() => kafka.faults.on('*').staleMetadata()).toThrow('not on *')
  expect(() => kafka.faults.on('Produce').corrupt('crc')).toThrow('only answers to Fetch')
  expect(() => kafka.faults.on('Produce').error('toString' as 'NONE')).toThrow('Kafka has no error "toString"')
  await kafka.faults.broker(2).down()
  await expect(kafka.faults.partition('t', 0).moveLeader(2)).rejects.toThrow('broker 2 is down')
  expect(() => kafka.faults.group('g').moveCoordinator(2)).toThrow('broker 2 is down')
  await kafka.faults.broker(2).up()
})

for (const target of [{}, { topic: 't' }, { topic: 't', partition: 1 }]) {
  test(`who wants no answer gets none to an error either, but the end of his connection (${JSON.stringify(target)})`, async () => {
    const kafka = await startBroker({ topics: { t: 2 } })
    const raw = await client(kafka)
    kafka.faults.on('Produce', target).once().error('NOT_LEADER_OR_FOLLOWER')
    const topicData = [{ name: 't', partitionData: [0, 1].map((index) => ({ index, records: batch })) }]
    void raw.request(produce, 9, { acks: 0, timeoutMs: 1000, topicData }).catch(() => {})
    await kafka.until(() => (kafka.journal.connections.some(({ kind }) => kind === 'disconnected') ? true : undefined), 'it is connected still')
    expect(kafka.journal.of('Produce')[0]!.responseBytes).toBe(0)
    expect(kafka.topic('t').records()).toHaveLength(target.partition === 1 ? 1 : 0)
  })
}

test('a function of the test that throws fails the test, and not the connection', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  kafka.faults.on('Produce').matching((request) => (request['none'] as { length: number }).length > 0).error('NOT_LEADER_OR_FOLLOWER')
  kafka.faults.on('Produce').once().answer(() => { throw new RangeError('not this one') })
  expect(await errors(raw, [0])).toEqual([0])
  await expect(kafka.close()).rejects.toThrow(/its function threw TypeError: (?:.|\n)*its function threw RangeError: not this one/)
})

test('a fault that never happened fails the end of the test, unless it is optional', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  kafka.faults.on('Produce', { topic: 't' }).once().error('NOT_LEADER_OR_FOLLOWER')
  kafka.faults.on('EndTxn').optional().dropConnection()
  kafka.faults.on('Fetch').onCall(9).delay(5)
  await fetchOne(await client(kafka), 't')
  await expect(kafka.reset()).rejects.toThrow([
    '2 faults never happened:', '  Produce topic t once → NOT_LEADER_OR_FOLLOWER (no request fitted)',
    '  Fetch on call 9 → a delay of 5 ms (1 requests fitted)',
  ].join('\n'))
  await kafka.reset()
  kafka.faults.on('Produce').error('NOT_LEADER_OR_FOLLOWER')
  await expect(kafka.close()).rejects.toSatisfy((error) => isLogError(error, 'LOG_FAULT_UNFIRED'))
})

test('a fault without its last word fails the end of the test, since nothing of it can happen', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  kafka.faults.on('Produce', { topic: 't' }).once()
  const onFetch = kafka.faults.on('Fetch')
  onFetch.onCall(1).delay(1).optional()
  onFetch.onCall(2).delay(1).optional()
  await expect(kafka.reset()).rejects.toThrow('a fault never happened:\n  Produce topic t (its last word is missing')
  await kafka.reset()
  expect(() => kafka.faults.add({ api: 'Fetch', actions: [] })).toThrow('its list of actions is empty')
  expect(() => kafka.faults.on('Fetch').onCall().silence()).toThrow('onCall takes the numbers of calls')
})

test('what an answer has no field for cannot be asked for, and does not count as happened', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  expect(() => kafka.faults.on('SaslHandshake').throttle(5)).toThrow('answers to SaslHandshake have no throttle time')
  expect(() => kafka.faults.on(['Metadata', 'Heartbeat']).shiftEpochs(1)).toThrow('answers to Heartbeat have no leader epochs')
  const throttle = kafka.faults.on('Metadata').once().throttle(5)
  const raw = await client(kafka)
  await raw.request(metadata, 1, { topics: [{ name: 't' }] })
  expect(throttle.fired).toBe(0)
  expect((await raw.request(metadata, 9, { topics: [{ name: 't' }] })).throttleTimeMs).toBe(5)
  expect(throttle.fired).toBe(1)
})

test('APIs have the names that programs may say', () => {
  expect(apis.map(({ name }) => name)).toEqual(apiNames)
})

test('faults that cannot be are refused at once', async () => {
  const kafka = await startBroker()
  expect(() => kafka.faults.on('Produse' as 'Produce')).toThrow('there is no API "Produse": did you mean "Produce"?')
  expect(() => kafka.faults.on('Heartbeat', { topic: 't' })).toThrow('requests of Heartbeat name no topics')
  expect(() => kafka.faults.on('Produce', { partition: 1 })).toThrow('name the topic too')
  expect(() => kafka.faults.on('Produce', { broker: 7 })).toThrow('there is no broker 7')
  expect(() => kafka.faults.on('Produce', { topics: 't' } as never)).toThrow('did you mean "topic"?')
  expect(() => kafka.faults.on('Produce').error('NOT_LEADER' as never)).toThrow('Kafka has no error "NOT_LEADER"')
  expect(() => kafka.faults.on('Produce').times(0).silence()).toThrow(RangeError)
  expect(() => kafka.faults.on('Produce').delay(-1)).toThrow('time does not go back')
  expect(() => kafka.faults.broker(2)).toThrow('there is no broker 2')
  expect(() => kafka.faults.partition('none', 0).leader).toThrow('there is no topic "none"')
})

test('one fault may do several things, and a description makes the same', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  const fault = kafka.faults.on('Produce').once().error('THROTTLING_QUOTA_EXCEEDED').and.throttle(50)
  expect(String(fault)).toBe('Produce once → THROTTLING_QUOTA_EXCEEDED and a throttle time of 50 ms')
  const { throttleTimeMs, responses } = await raw.request(produce, 9, {
    acks: -1, timeoutMs: 1, topicData: [{ name: 't', partitionData: [{ index: 0, records: batch }] }],
  })
  expect([throttleTimeMs, responses[0]!.partitionResponses[0]!.errorCode]).toEqual([50, kafkaErrors.THROTTLING_QUOTA_EXCEEDED])
  const actions = [{ type: 'error', error: 'NOT_LEADER_OR_FOLLOWER', when: 'before-apply' }] as const
  kafka.faults.add({ api: 'Produce', target: { topic: 't' }, times: 1, actions })
  expect(await errors(raw, [0])).toEqual([6])
  expect(kafka.journal.of('Produce').map(({ faults }) => faults)).toEqual([
    ['THROTTLING_QUOTA_EXCEEDED', 'a throttle time of 50 ms'], ['NOT_LEADER_OR_FOLLOWER'],
  ])
})
