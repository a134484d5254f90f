/*
 * Every route of the control API, each request and answer held against the description that is served; at the end none of them was left out.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { initProducerId } from '../../../src/kafka/apis/22-init-producer-id.ts'
import { fetch } from '../../../src/kafka/apis/01-fetch.ts'
import { CommitLog } from '../../../src/topics/commit-log.ts'
import { bytes } from '../../../src/topics/codecs.ts'
import { RawClient } from '../../kafka/harness.ts'
import { together, WireMember } from '../../kafka/wire-member.ts'
import { fetchOne, isOpen, produceOne } from '../broker/harness.ts'
import { answered, ask, type Control, control, type Json, type Operation, told } from './harness.ts'

function client({ kafka }: Control, broker = 0): Promise<RawClient> {
  return RawClient.connect(kafka.brokers[broker]!.port)
}

async function fetchAll(raw: RawClient, topic: string, partitions: readonly number[]): Promise<void> {
  await raw.request(fetch, 12, {
    maxWaitMs: 0, minBytes: 1, maxBytes: 1000, sessionId: 0, sessionEpoch: -1,
    topics: [{ topic, partitions: partitions.map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 })) }],
  })
}

// The description -------------------------------------------------------------------------------------------------------------------------

test('the description is whole: its names are unique, its references lead somewhere, paths and parameters agree', async () => {
  const { description } = await control()
  expect(description.openapi).toBe('3.1.0')
  const operations = Object.entries(description.paths).flatMap(([path, all]) => (
    Object.entries(all).map(([method, operation]) => ({ path, method, operation }))
  ))
  const names = operations.map(({ operation }) => operation.operationId)
  expect(new Set(names).size).toBe(names.length)
  const tags = description.tags.map(({ name }) => name)
  for (const { path, method, operation } of operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    expect(operation.parameters?.filter((one) => one.in === 'path').map(({ name }) => name) ?? [], path).toEqual(named)
    expect(tags).toContain(operation.tags[0])
    expect(operation.summary.length, path).toBeGreaterThan(10)
    expect(operation.responses).toHaveProperty('default')
    if (method === 'get') expect(operation).not.toHaveProperty('requestBody')
  }
  const references = [...JSON.stringify(description).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, pointer]) => pointer!)
  expect(references.length).toBeGreaterThan(20)
  for (const pointer of references) {
    expect(pointer.split('/').reduce((found: Json, part) => found?.[part], description), pointer).toBeTypeOf('object')
  }
})

test('what the description does not know is refused, wherever a body may be sent', async () => {
  const it = await control({ topics: { orders: 1 } })
  const bodies = Object.entries(it.description.paths).flatMap(([path, all]) => (
    Object.entries(all).flatMap(([method, operation]) => (operation.requestBody === undefined ? [] : [{ path, method, operation }]))
  ))
  expect(bodies.length).toBeGreaterThan(20)
  for (const { path, method, operation } of bodies) {
    const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'topic' ? 'orders' : '1'))
    for (const wrong of [[], 'text', 7, null, { nothingLikeThis: 1 }]) {
      expect(it.wrong(schemaOf(operation), wrong), operation.operationId).not.toEqual([])
      expect(await it.refused(method.toUpperCase(), target, wrong), operation.operationId).toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
    }
    if (operation.requestBody!.required) {
      expect(await it.refused(method.toUpperCase(), target)).toMatchObject(told(400, 'lacks its body'))
    }
  }
})

function schemaOf({ requestBody }: Operation): Json {
  return requestBody!.content['application/json'].schema
}

test('it is there, says what it is, and what it can do', async () => {
  const it = await control({ brokers: 2, seed: 7 })
  expect(await it.done('GET', '/health')).toEqual({ status: 'ok', bootstrap: it.kafka.bootstrap })
  expect(await it.done('GET', '/')).toMatchObject({
    id: null, control: it.url, bootstrap: it.kafka.bootstrap, seed: 7, clock: 'real', connections: 0,
  })
  expect((await it.done('GET', '/openapi.json')).info).toMatchObject({ title: 'commitlog test broker', version: '1.2.3' })
})

// Brokers ---------------------------------------------------------------------------------------------------------------------------------

test('brokers go down and come up, and drop their connections', async () => {
  const it = await control({ brokers: 2, topics: { orders: 2 } })
  const up = async (): Promise<boolean[]> => (await it.done('GET', '/brokers')).brokers.map((broker: { up: boolean }) => broker.up)
  const { port } = it.kafka.brokers[1]!
  expect(await it.done('POST', '/brokers/2/down')).toMatchObject({ nodeId: 2, port, up: false })
  expect([await isOpen(port), await up()]).toEqual([false, [true, false]])
  expect(await it.done('POST', '/brokers/2/up')).toMatchObject({ up: true })
  expect([await isOpen(port), await up()]).toEqual([true, [true, true]])
  const raw = await client(it)
  await it.done('POST', '/brokers/1/drop-connections')
  await raw.closed
  expect(await it.refused('POST', '/brokers/9/down')).toEqual({ status: 404, code: 'LOG_NOT_FOUND', detail: 'there is no broker 9: there are 1, 2' })
  expect(await it.refused('POST', '/brokers/one/down')).toMatchObject(told(400, '"broker" of the path is an integer'))
})

// Topics ----------------------------------------------------------------------------------------------------------------------------------

test('topics are made, told, and deleted', async () => {
  const it = await control({ brokers: 3 })
  const made = await it.ask('POST', '/topics', { name: 'a b', partitions: 1 })
  expect(made).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } })
  const orders = await it.ask('POST', '/topics', {
    name: 'orders', partitions: 2, replicas: 3, config: { 'cleanup.policy': 'compact', 'segment.ms': 1000 },
  })
  expect(orders).toMatchObject({ status: 201, headers: { location: '/topics/orders' } })
  expect(await it.done('GET', '/topics/orders')).toEqual(orders.body)
  expect(orders.body.partitions).toMatchObject([{ partition: 0, start: 0, end: 0 }, { partition: 1 }])
  expect((await it.done('GET', '/topics')).topics).toEqual([orders.body])
  expect(await it.refused('POST', '/topics', { name: 'orders' })).toMatchObject({ status: 409, code: 'LOG_TOPIC_EXISTS' })
  expect(await it.refused('POST', '/topics', { name: 'c', config: { 'cleanup.polcy': 'x' } })).toMatchObject({ status: 400 })
  expect(await it.refused('POST', '/topics', { name: 'c', partitons: 1 })).toMatchObject({
    status: 400, detail: 'the body has an unknown field "partitons": did you mean "partitions"?',
  })
  await it.done('DELETE', '/topics/orders')
  expect(await it.refused('DELETE', '/topics/orders')).toMatchObject({ status: 404, code: 'LOG_NOT_FOUND' })
  expect(await it.refused('GET', '/topics/orders')).toMatchObject({ status: 404, detail: 'there is no topic "orders": POST /topics makes one' })
  expect(await it.refused('POST', '/topics', { name: '__consumer_offsets' })).toMatchObject({ status: 409, code: 'LOG_TOPIC_INTERNAL' })
})

test('records are put in as text, JSON and bytes, and told in all of these forms', async () => {
  const it = await control({ topics: { orders: 2 } })
  const records = [
    { key: 'a', value: { total: 1 }, headers: { trace: 't-1', none: null }, partition: 0, timestamp: 1000 },
    { keyBase64: '/w==', valueBase64: 'AAH/', headers: [{ name: 'h', valueBase64: '/w==' }, { name: 'h', value: 'x' }, { name: 'n' }], partition: 1 },
    { key: { id: 7 }, value: null, partition: 1 },
  ]
  expect(await it.done('POST', '/topics/orders/records', { records })).toEqual({
    records: [{ partition: 0, offset: 0 }, { partition: 1, offset: 0 }, { partition: 1, offset: 1 }],
  })
  const read = await it.done('GET', '/topics/orders/records')
  expect(read.more).toBe(false)
  expect(read.records).toMatchObject([
    {
      topic: 'orders', partition: 0, offset: 0, timestamp: 1000, key: 'a', keyBase64: 'YQ==', value: { total: 1 }, text: '{"total":1}',
      headers: [{ name: 'trace', value: 't-1' }, { name: 'none', value: null, valueBase64: null }],
    },
    {
      partition: 1, keyBase64: '/w==', valueBase64: 'AAH/', headers: [{ name: 'h', valueBase64: '/w==' }, { value: 'x' }, { name: 'n', value: null }],
    },
    { key: '{"id":7}', value: null, text: null, valueBase64: null },
  ])
  const some = await it.done('GET', '/topics/orders/records?partition=1&from=0&limit=1&isolation=read_uncommitted')
  expect(some).toMatchObject({ records: [{ partition: 1, offset: 0 }], more: true })
  for (const [record, complaint] of [
    [{ key: 'a' }, 'it lacks "value"'], [{ value: 1, valueBase64: '' }, 'either "value" or "valueBase64"'], [{ valueBase64: 'x' }, 'does not fit'],
    [{ value: 1, partition: 9 }, 'there is no partition 9'], [{ value: 1, keys: 1 }, 'did you mean "key"?'],
  ] as const) {
    expect(await it.refused('POST', '/topics/orders/records', { records: [record] })).toMatchObject(told(400, complaint))
  }
  expect((await it.ask('POST', '/topics/orders/records', { records: [{ value: 1, timestamp: -1 }] })).body.errors).toEqual([
    { pointer: '/records/0/timestamp', detail: 'is at least 0, not -1' },
  ])
  expect(await it.refused('POST', '/topics/nowhere/records', { records: [{ value: 1 }] })).toMatchObject({ status: 404 })
})

test('of records that are put in together all are stored or none', async () => {
  const it = await control({ topics: { orders: 3, kept: { config: { 'cleanup.policy': 'compact', 'message.timestamp.after.max.ms': 1000 } } } })
  const places = async (topic: string): Promise<Json> => (await it.done('GET', `/topics/${topic}`)).partitions.map(({ end }: Json) => end)
  for (const [topic, wrong, status] of [
    ['orders', { value: 'y', partition: 9 }, 400], ['orders', { value: 'x'.repeat(2_000_000) }, 400], ['orders', { value: 1, valueBase64: '' }, 400],
    ['orders', { value: 'x', headers: { h: 'x'.repeat(2_000_000) } }, 400], ['kept', { value: 'no key' }, 400],
    ['kept', { key: 'k', value: 1, timestamp: 8_000_000_000_000_000 }, 400],
  ] as const) {
    const records = [{ key: 'k', value: 'x', partition: 0 }, { key: 'other', value: 'x' }, wrong]
    expect(await it.refused('POST', `/topics/${topic}/records`, { records })).toMatchObject({ status })
    expect(await places(topic)).toEqual(topic === 'orders' ? [0, 0, 0] : [0])
  }
  const sent = await it.done('POST', '/topics/orders/records', { records: [1, 2, 3].map((value) => ({ value })) })
  expect(sent.records).toEqual([0, 1, 2].map((partition) => ({ partition, offset: 0 })))
})

test('a record of several is refused just where the log itself would refuse it', async () => {
  const it = await control({ topics: { small: { config: { 'max.message.bytes': 1000 } } } })
  const [log] = it.kafka.log.core.openTopics.find(({ entry }) => entry.name === 'small')!.logs
  const headers = { a: 'b', none: null }
  const refused = (append: () => unknown): boolean => {
    try {
      append()
      return false
    } catch (error) {
      expect(error).toMatchObject({ code: 'LOG_RECORD_TOO_LARGE' })
      return true
    }
  }
  const codecs = { key: bytes, value: bytes }
  for (let size = 880; size < 980; size++) {
    const value = Buffer.alloc(size)
    const byLog = refused(() => log!.append(codecs, { key: Buffer.from('k'), value, headers, timestamp: it.kafka.clock.now() }))
    expect(refused(() => it.kafka.topic('small').append([{ key: 'k', value, headers }, { key: 'k', value: 'x' }])), String(size)).toBe(byLog)
  }
  expect(refused(() => it.kafka.topic('small').append([{ value: Buffer.alloc(880) }]))).toBe(false)
})

test('records are waited for, and what does not come is told', async () => {
  const it = await control({ topics: { orders: 1 } })
  const put = (value: unknown): Promise<Json> => it.done('POST', '/topics/orders/records', { records: [{ key: 'k', value }] })
  const next = it.done('POST', '/topics/orders/next')
  const late = it.done('POST', '/topics/orders/wait-for', { record: { value: { id: { $matches: '^o-' }, total: { $gt: 10 } } }, timeout: '3s' })
  await put({ id: 'o-1', total: 5 })
  await put({ id: 'o-2', total: 12 })
  expect(await next).toMatchObject({ offset: 0, value: { id: 'o-1' } })
  expect(await late).toMatchObject({ offset: 1, key: 'k' })
  expect(await it.done('POST', '/topics/orders/next', { timeout: 0 })).toMatchObject({ offset: 1 })
  expect(await it.refused('POST', '/topics/orders/next', { timeout: 10 })).toEqual({
    status: 409, code: 'LOG_WAIT_TIMED_OUT', detail: 'no other record came to topic "orders" (waited for 10 ms)',
  })
  expect(await it.refused('POST', '/topics/orders/wait-for', { record: { value: 'x' }, timeout: 10 })).toMatchObject({ status: 409 })
  expect(await it.refused('POST', '/topics/orders/next', { timeout: '20m' })).toMatchObject(told(400, 'timeout is at most 10m, not 20m'))
  expect(await it.refused('POST', '/topics/orders/wait-for', { record: { value: { $match: 'x' } } })).toMatchObject({
    status: 400, detail: 'value has an unknown operator "$match": did you mean "$matches"?',
  })
})

test('records come in as they were elsewhere, as lines or as values', async () => {
  const it = await control()
  const lines = ['{"topic":"orders","partition":0,"offset":7,"tstype":"create","ts":1000,"key":"o-1","payload":"tea"}', '']
  expect(await it.done('POST', '/imports', { records: lines })).toEqual({ records: 1, topics: ['orders'], uncommitted: 0 })
  await it.done('POST', '/imports', { records: [{ key: 'o-2', value: { total: 2 } }], topic: 'orders', offsets: 'new' })
  expect((await it.done('GET', '/topics/orders/records')).records).toMatchObject([
    { offset: 7, timestamp: 1000, key: 'o-1', value: 'tea' }, { offset: 8, key: 'o-2', value: { total: 2 } },
  ])
  expect(await it.refused('POST', '/imports', { records: ['no line'] })).toMatchObject({ status: 400, code: 'LOG_IMPORT_INVALID' })
  expect(await it.refused('POST', '/imports', { path: 'orders.ndjson' })).toMatchObject(told(400, 'lacks "records"'))
})

test('topics are compacted, shortened and cut on the spot, and say how far a group is', async () => {
  const it = await control({
    topics: { kept: { config: { 'cleanup.policy': 'compact' } }, old: { config: { 'retention.ms': 1000, 'segment.ms': 1 } }, t: 2 },
  })
  const values = async (topic: string): Promise<unknown> => (await it.done('GET', `/topics/${topic}/records`)).records.map(({ value }: Json) => value)
  await it.done('POST', '/topics/kept/records', { records: [{ key: 'a', value: 1 }, { key: 'a', value: 2 }, { key: 'b', value: 3 }] })
  await it.done('POST', '/topics/kept/compact')
  expect(await values('kept')).toEqual([2, 3])
  await it.done('POST', '/topics/old/records', { records: [{ value: 1, timestamp: 1 }] })
  await it.done('POST', '/topics/old/records', { records: [{ value: 2 }] })
  await it.done('POST', '/topics/old/retain')
  expect(await values('old')).not.toContain(1)
  await it.done('POST', '/topics/t/records', { records: [1, 2, 3].map((value) => ({ value, partition: 0 })) })
  expect(await it.done('GET', '/topics/t/groups/billing')).toEqual({ committed: [null, null], lag: 3 })
  await it.done('DELETE', '/topics/t/partitions/0/records?before=2')
  expect(await values('t')).toEqual([3])
  await it.done('DELETE', '/topics/t/partitions/0/records')
  expect(await values('t')).toEqual([])
  expect(await it.refused('DELETE', '/topics/t/partitions/5/records')).toMatchObject(told(404, 'there is no partition 5: topic "t" has 2'))
})

test('leaders and coordinators move', async () => {
  const it = await control({ brokers: 3, topics: { orders: 1 } })
  for (const value of [1, 2]) await it.done('POST', '/topics/orders/records', { records: [{ value }] })
  const leader = '/topics/orders/partitions/0/leader'
  const { broker: before } = await it.done('GET', leader)
  const other = before === 1 ? 2 : 1
  expect(await it.done('PUT', leader, { broker: other })).toEqual({ broker: other })
  await it.done('PUT', leader, { broker: 3, unclean: true, lose: 1 })
  expect((await it.done('GET', '/topics/orders/records')).records).toHaveLength(1)
  expect(await it.refused('PUT', leader, { broker: 9 })).toMatchObject(told(400, 'there is no broker 9: there are 1, 2, 3'))
  expect(await it.refused('PUT', leader, { broker: 1, lose: 1 })).toMatchObject(told(400, 'unclean'))
  expect(await it.refused('GET', '/topics/orders/partitions/7/leader')).toMatchObject({ status: 404 })
  for (const path of ['/groups/billing/coordinator', '/transactions/tx/coordinator']) {
    const { broker } = await it.done('GET', path)
    const next = broker === 1 ? 2 : 1
    expect(await it.done('PUT', path, { broker: next })).toEqual({ broker: next })
  }
  await it.done('POST', '/coordinators/rehash')
})

// Groups and transactions ------------------------------------------------------------------------------------------------------------------

test('groups are waited for, and say what is missing', async () => {
  const it = await control({ topics: { t: 4 } })
  expect(await it.done('GET', '/groups')).toEqual({ groups: [] })
  expect(await it.done('GET', '/groups/g')).toMatchObject({ state: 'Dead', members: [] })
  expect(await it.refused('POST', '/groups/g/ready', { timeout: 10 })).toEqual({
    status: 409, code: 'LOG_WAIT_TIMED_OUT', detail: 'group "g": it has 0 members (waited for 10 ms)',
  })
  const ready = it.done('POST', '/groups/g/ready', { members: 1, assigned: ['t'] })
  const member = new WireMember(await client(it), 'g', { topics: ['t'] })
  await together(member)
  await fetchAll(member.raw, 't', [0, 1, 2, 3])
  expect(await ready).toMatchObject({ state: 'Stable', generation: 1, members: [{ clientId: 'raw', topics: ['t'] }] })
  expect(await it.done('POST', '/groups/g/ready', { assigned: 'all', fetching: false })).toMatchObject({ generation: 1 })
  expect(await it.done('POST', '/groups/g/stable')).toMatchObject({ state: 'Stable' })
  expect((await it.done('GET', '/groups')).groups).toMatchObject([{ name: 'g', state: 'Stable' }])
  await it.done('POST', '/topics/t/records', { records: [{ value: 1, partition: 0 }] })
  expect(await it.refused('POST', '/groups/g/caught-up', { topics: ['t'], timeout: '10ms' })).toMatchObject({
    detail: 'group "g": t-0 is 1 record behind (waited for 10 ms)',
  })
  const second = new WireMember(await client(it), 'g', { topics: ['t'] })
  await together(member, second)
  // It is over when it is asked for: counted from the generation that was told before.
  expect(await it.done('POST', '/groups/g/rebalanced', { since: 1 })).toMatchObject({ state: 'Stable' })
  expect(await it.refused('POST', '/groups/g/rebalanced', { since: 1, times: 50, timeout: 10 })).toMatchObject({
    detail: expect.stringMatching(/^group "g": since generation 1 it has rebalanced \d of 50 times/),
  })
  expect(await it.refused('POST', '/groups/g/rebalanced', { times: 1, timeout: 10 })).toMatchObject({
    detail: expect.stringContaining('0 of 1 times'),
  })
  const { members } = await it.done('GET', '/groups/g')
  await it.done('POST', '/groups/g/evict', { members: [members[0].memberId] })
  await it.done('POST', '/groups/g/evict')
  expect((await it.done('GET', '/groups/g')).members).toEqual([])
  await it.done('DELETE', '/topics/t/partitions/0/records')
  expect(await it.done('POST', '/groups/g/caught-up', { topics: ['t'] })).toMatchObject({ state: 'Empty' })
})

test('transactions are looked at, and run out of their time', async () => {
  const it = await control({ topics: { orders: 1 } })
  expect(await it.done('GET', '/transactions/tx')).toMatchObject({ state: 'None', partitions: [] })
  expect(await it.done('POST', '/transactions/tx/time-out')).toEqual({ timedOut: false })
  const raw = await client(it)
  const { producerId } = await raw.request(initProducerId, 4, {
    transactionalId: 'tx', transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1,
  })
  expect(await it.done('GET', '/transactions/tx')).toMatchObject({ state: 'Empty', producerId: String(producerId) })
})

// Back ------------------------------------------------------------------------------------------------------------------------------------

test('it goes back to a checkpoint and to its beginning, with connections kept or dropped', async () => {
  const it = await control({ topics: { orders: 1 } })
  const count = async (): Promise<number> => (await it.done('GET', '/topics/orders/records')).records.length
  const put = (): Promise<Json> => it.done('POST', '/topics/orders/records', { records: [{ value: 'x' }] })
  await put()
  const taken = await it.ask('POST', '/checkpoints')
  expect(taken).toMatchObject({ status: 201, body: { id: '1' }, headers: { location: '/checkpoints/1' } })
  await put()
  await it.done('POST', '/checkpoints/1/restore')
  expect(await count()).toBe(1)
  const raw = await client(it)
  await it.done('POST', '/checkpoints/1/restore', { connections: 'drop' })
  await raw.closed
  await it.done('POST', '/reset')
  expect(await count()).toBe(0)
  expect(await it.done('GET', '/checkpoints')).toEqual({ checkpoints: [{ id: '1' }] })
  await it.done('DELETE', '/checkpoints/1')
  expect(await it.refused('POST', '/checkpoints/1/restore')).toEqual({ status: 404, code: 'UNKNOWN_ID', detail: 'there is no checkpoint "1"' })
})

test('a folder that somebody else has open does not go back, and it says so', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'commitlog-sidecar-'))
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
  const dir = join(parent, 'log')
  const it = await control({ dir, topics: { orders: 1 } })
  await it.done('POST', '/checkpoints')
  const other = await CommitLog.open(dir)
  expect(await it.refused('POST', '/checkpoints/1/restore')).toMatchObject({ status: 409, code: 'LOG_LOCKED' })
  await other.close()
  await it.done('POST', '/reset')
})

test('a fork is another Kafka with all of the routes, and knows the checkpoints of before', async () => {
  const it = await control({ topics: { orders: 1 } })
  await it.done('POST', '/topics/orders/records', { records: [{ value: 'first' }] })
  await it.done('POST', '/checkpoints')
  await it.done('POST', '/topics/orders/records', { records: [{ value: 'second' }] })
  const fork = await it.ask('POST', '/forks', { from: '1', seed: 5 })
  expect(fork).toMatchObject({ status: 201, headers: { location: '/forks/1' }, body: { id: '1', seed: 5, control: `${it.url}/forks/1` } })
  expect(fork.body.bootstrap).not.toBe(it.kafka.bootstrap)
  expect(await it.done('GET', '/forks/1/')).toEqual(fork.body)
  expect(await it.done('GET', '/forks')).toEqual({ forks: [fork.body] })
  const values = async (base: string): Promise<unknown> => {
    return (await it.done('GET', `${base}/topics/orders/records`)).records.map(({ value }: Json) => value)
  }
  const made = await it.ask('POST', '/forks/1/topics', { name: 'own' })
  expect(made.headers['location']).toBe('/forks/1/topics/own')
  expect([await values('/forks/1'), await values('')]).toEqual([['first'], ['first', 'second']])
  expect((await it.done('GET', '/topics')).topics).toHaveLength(1)
  await it.done('POST', '/forks/1/checkpoints/1/restore')
  const second = await it.ask('POST', '/forks/1/forks', {})
  expect(second.headers['location']).toBe('/forks/2')
  expect(await values('/forks/2')).toEqual(['first'])
  await it.done('DELETE', '/forks/2')
  await it.done('POST', '/forks/1/faults', { api: 'Produce', actions: [{ type: 'error', error: 'UNKNOWN_SERVER_ERROR' }] })
  expect(await it.refused('DELETE', '/forks/1')).toMatchObject({ status: 409, code: 'LOG_FAULT_UNFIRED' })
  expect(await it.refused('GET', '/forks/1/topics')).toMatchObject({ status: 404, code: 'UNKNOWN_ID', detail: 'there is no fork "1"' })
  expect(await it.refused('POST', '/forks', { from: '9' })).toMatchObject(told(404, 'there is no checkpoint "9"'))
})

test('reset ends forks, and fails for what never happened to them; that of a fork touches no other', async () => {
  const it = await control({ topics: { orders: 1 } })
  await it.done('POST', '/checkpoints')
  const { brokers: [{ port }] } = await it.done('POST', '/forks')
  await it.done('POST', '/forks/1/forks')
  await it.done('POST', '/forks/2/faults', { api: 'Fetch', actions: [{ type: 'duplicate' }] })
  await it.done('POST', '/topics/orders/records', { records: [{ value: 'x' }] })
  await it.done('POST', '/forks/1/reset')
  expect((await it.done('GET', '/forks')).forks).toHaveLength(2)
  expect((await it.done('GET', '/topics/orders/records')).records).toHaveLength(1)
  expect(await it.refused('POST', '/reset')).toMatchObject({ status: 409, code: 'LOG_FAULT_UNFIRED' })
  expect(await it.done('GET', '/forks')).toEqual({ forks: [] })
  expect((await it.done('GET', '/topics/orders/records')).records).toEqual([])
  expect(await isOpen(port)).toBe(false)
  await it.done('POST', '/checkpoints/1/restore')
  await it.done('POST', '/forks')
  await it.done('POST', '/forks/3/faults', { api: 'Fetch', actions: [{ type: 'duplicate' }] })
  await it.done('POST', '/reset', { verify: false })
  await it.done('POST', '/verify')
})

// Faults ----------------------------------------------------------------------------------------------------------------------------------

test('a fault happens, is told, and one that never happened fails the test: by verify, and by reset, which resets all the same', async () => {
  const it = await control({ topics: { orders: 1 } })
  const once = { api: 'Produce', target: { topic: 'orders' }, times: 1, actions: [{ type: 'error', error: 'NOT_LEADER_OR_FOLLOWER' }] }
  const asked = await it.ask('POST', '/faults', once)
  expect(asked).toMatchObject({ status: 201, headers: { location: '/faults/1' }, body: { id: '1', fired: 0, missing: true, over: false } })
  expect(asked.body.text).toBe('Produce topic orders once → NOT_LEADER_OR_FOLLOWER')
  expect(await it.refused('POST', '/verify')).toEqual({
    status: 409, code: 'LOG_FAULT_UNFIRED', detail: expect.stringContaining('orders once → NOT_LEADER_OR_FOLLOWER (no request fitted)'),
  })
  expect((await it.done('GET', '/faults?missing=true')).faults).toHaveLength(1)
  const raw = await client(it)
  expect((await produceOne(raw, 'orders', 0, 'x')).errorCode).toBe(6)
  expect((await produceOne(raw, 'orders', 0, 'x')).errorCode).toBe(0)
  expect(await it.done('GET', '/faults/1')).toMatchObject({ calls: 1, fired: 1, missing: false, over: true })
  expect(await it.done('POST', '/verify')).toEqual({ ok: true })
  expect((await it.done('GET', '/faults?missing=true')).faults).toEqual([])

  await it.done('POST', '/faults', { ...once, name: 'the leader moves' })
  expect(await it.refused('POST', '/reset')).toMatchObject(told(409, 'the leader moves'))
  expect(await it.done('GET', '/faults')).toEqual({ faults: [] })
  expect((await it.done('GET', '/topics/orders/records')).records).toEqual([])
  await it.done('POST', '/reset')
  await it.done('POST', '/faults', once)
  await it.done('POST', '/reset', { verify: false })
  await it.done('POST', '/faults', { ...once, optional: true })
  await it.done('POST', '/verify')
  await it.done('DELETE', '/faults')
  expect(await it.refused('GET', '/faults/4')).toMatchObject(told(404, 'there is no fault "4"'))
})

test('a client that is cut off goes on when the fault is cancelled', async () => {
  const it = await control({ topics: { orders: 1 } })
  const { id } = await it.done('POST', '/faults', { api: '*', target: { client: { pattern: '^RA', flags: 'i' } }, actions: [{ type: 'silence' }] })
  const waiting = client(it).then((raw) => produceOne(raw, 'orders', 0, 'x'))
  await it.kafka.until(() => it.kafka.faults.all[0]!.fired || undefined, 'it never happened')
  expect(await it.done('POST', `/faults/${id}/cancel`)).toMatchObject({ over: true, missing: false })
  expect((await waiting).errorCode).toBe(0)
})

test('an answer is changed field by field, and only requests that have what is asked for are hit', async () => {
  const it = await control({ topics: { orders: 1, prices: 1 } })
  await it.done('POST', '/faults', {
    api: ['Produce'], matching: { topicData: [{ name: 'orders' }] }, onCalls: [1],
    actions: [{ type: 'answer', change: { throttleTimeMs: 5, responses: [{ partitionResponses: [{ errorCode: 29, baseOffset: -1 }] }] } }, {
      type: 'split', bytes: 3,
    }],
  })
  const raw = await client(it)
  expect((await produceOne(raw, 'prices', 0, 'x')).errorCode).toBe(0)
  expect(await produceOne(raw, 'orders', 0, 'x')).toMatchObject({ errorCode: 29, baseOffset: -1 })
  expect((await it.done('GET', '/topics/orders/records')).records).toHaveLength(1)
  await it.done('POST', '/verify')

})

test('every action can be asked for in JSON', async () => {
  const it = await control({ brokers: 2, topics: { orders: 1 } })
  const actions = [
    { type: 'error', error: 'UNKNOWN_SERVER_ERROR', when: 'after-apply' }, { type: 'delay', ms: '2s' }, { type: 'close', when: 'after-apply' },
    { type: 'reset' },
    { type: 'half-close' }, { type: 'silence' }, { type: 'throttle', ms: 10 }, { type: 'corrupt' }, { type: 'corrupt', what: 'length' },
    { type: 'truncate', bytes: 3 }, { type: 'split' }, { type: 'duplicate' }, { type: 'shift-epoch', by: -1 },
  ]
  const { text } = await it.done('POST', '/faults', {
    api: '*', actions, times: 2, every: 3, probability: 0.5, optional: true, target: { group: 'g', client: 'c', connection: 1, broker: 2 },
  })
  expect(text).toContain('a delay of 2000 ms and close after it was applied and reset')
  await it.done('POST', '/faults', { api: 'Metadata', actions: [{ type: 'stale-metadata' }], optional: true })
})

test('faults that cannot be are refused, with what was probably meant', async () => {
  const it = await control({ topics: { orders: 1 } })
  const error = [{ type: 'error', error: 'UNKNOWN_SERVER_ERROR' }]
  const changed = (change: object): object => ({ type: 'answer', change })
  for (const [fault, complaint] of [
    [{ api: 'Prodce', actions: error }, 'did you mean "Produce"?'],
    [{ api: 'Produce', actions: [{ type: 'eror' }] }, '/actions/0/type is one of'],
    [{ api: 'Produce', actions: [{ type: 'error', error: 'NOT_LEADER' }] }, 'Kafka has no error "NOT_LEADER"'],
    [{ api: 'Produce', actions: [{ type: 'error', eror: 'X' }] }, 'lacks "error"'],
    [{ api: 'Produce', actions: [] }, '/actions has at least 1 items, not 0'],
    [{ api: 'Produce', actions: error, target: { broker: 9 } }, 'there is no broker 9'],
    [{ api: 'Produce', actions: error, target: { client: { pattern: '(' } } }, 'client is no pattern'],
    [{ api: 'Heartbeat', actions: error, target: { topic: 'orders' } }, 'name no topics'],
    [{ api: 'Produce', actions: error, matching: { $foo: 1 } }, 'unknown operator "$foo"'],
    [{ api: 'Produce', actions: error, probability: 2 }, '/probability is at most 1, not 2'],
    [{ api: 'Produce', actions: [{ type: 'delay', ms: 'soon' }] }, '/actions/0/ms'],
    [{ api: 'Produce', actions: [changed({ throttleTimeMS: 1 })] }, 'unknown field "throttleTimeMS": did you mean "throttleTimeMs"?'],
    [{ api: 'Produce', actions: [changed({ responses: [{ name: 7 }] })] }, '/change/responses/0/name is text or null, not the number 7'],
    [{ api: '*', actions: [{ type: 'answer', change: {} }] }, 'change those of one API'],
    [{ api: 'Prodce', actions: [{ type: 'answer', change: {} }] }, 'did you mean "Produce"?'],
  ] as const) {
    expect(await it.refused('POST', '/faults', fault)).toMatchObject(told(400, complaint))
  }
  expect(await it.done('GET', '/faults')).toEqual({ faults: [] })
})

test('a scenario runs by the clock, in front or behind, and one that fails behind fails the test', async () => {
  const it = await control({ brokers: 2, topics: { orders: 1 }, clock: 'virtual' })
  const began = it.kafka.clock.now()
  await it.done('POST', '/scenarios', { scenario: 't+0 down 1; t+5s up 1; t+6s move orders-0 to 2; t+7s rehash coordinators' })
  expect(it.kafka.clock.now() - began).toBeGreaterThanOrEqual(7000)
  expect(await it.done('GET', '/topics/orders/partitions/0/leader')).toEqual({ broker: 2 })
  await it.done('POST', '/scenarios', { scenario: 't+1s down 2', background: true })
  await it.done('POST', '/clock/advance', { by: '2s' })
  expect((await it.done('GET', '/brokers')).brokers).toMatchObject([{ up: true }, { up: false }])
  await it.done('POST', '/verify')
  for (const background of [true, false]) {
    expect(await it.refused('POST', '/scenarios', { scenario: 't+1s down 7', background })).toMatchObject(told(400, 'there is no broker 7'))
    expect(await it.refused('POST', '/scenarios', { scenario: 'some day', background })).toMatchObject(told(400, 'a step is'))
  }
  await it.done('POST', '/scenarios', { scenario: 't+1s move nowhere-0 to 1', background: true })
  expect(await it.refused('POST', '/verify')).toMatchObject(told(409, 'a scenario never began', 'SCENARIO_FAILED'))
  await it.done('POST', '/clock/advance', { by: '2s' })
  expect(await it.refused('POST', '/verify')).toMatchObject(told(409, 'a scenario failed: there is no topic "nowhere"', 'SCENARIO_FAILED'))
  expect(await it.refused('POST', '/reset')).toMatchObject({ code: 'SCENARIO_FAILED' })
  await it.done('POST', '/verify')
})

// Time and journal ------------------------------------------------------------------------------------------------------------------------

test('time moves as it is told, and not where it is that of the machine', async () => {
  const it = await control({ clock: 'virtual', now: 1_000_000 })
  expect(await it.done('GET', '/clock')).toEqual({ mode: 'virtual', now: 1_000_000, time: '1970-01-01T00:16:40.000Z' })
  expect(await it.done('POST', '/clock/advance', { by: '1h' })).toMatchObject({ now: 4_600_000 })
  expect(await it.done('PUT', '/clock', { now: 5 })).toMatchObject({ now: 5 })
  expect(await it.refused('PUT', '/clock', { now: 8_640_000_000_000_000 })).toMatchObject({ status: 400 })
  await it.done('POST', '/clock/settle')
  it.kafka.clock.clock.setTimer(() => {}, 500)
  const polls = (): void => void it.kafka.clock.clock.setTimer(polls, 1)
  polls()
  expect(await it.refused('POST', '/clock/run-until-idle')).toMatchObject({ status: 409, code: 'NEVER_IDLE' })
  expect(await it.refused('POST', '/clock/advance', { by: -1 })).toMatchObject({ status: 400 })
  const real = await control()
  expect(await real.refused('POST', '/clock/advance', { by: 1 })).toMatchObject(told(400, 'needs a clock that can be moved'))
})

test('one who leaves while time is moved for him ends it: time stands, and his scenario does nothing more', async () => {
  const it = await control({ brokers: 2, clock: 'virtual' })
  const json = { 'content-type': 'application/json' }
  for (const [path, body] of [['/clock/advance', { by: '99999999d' }], ['/scenarios', { scenario: 't+300d down 1' }]] as const) {
    const leaving = new AbortController()
    const { now } = await it.done('GET', '/clock')
    // Somebody always waits for the next moment.
    const polls = (): void => void (left || it.kafka.clock.clock.setTimer(polls, 100))
    let left = false
    polls()
    const gone = ask(`${it.url}${path}`, { method: 'POST', headers: json, content: JSON.stringify(body), signal: leaving.signal })
    await expect.poll(async () => (await it.done('GET', '/clock')).now).toBeGreaterThan(now)
    leaving.abort()
    await expect(gone).rejects.toThrow()
    await expect.poll(() => it.sidecar.underway).toBe(0)
    left = true
    const stands = await it.done('GET', '/clock')
    await it.done('GET', '/health')
    expect(await it.done('GET', '/clock')).toEqual(stands)
  }
  await it.done('POST', '/clock/advance', { by: '301d' })
  expect((await it.done('GET', '/brokers')).brokers).toMatchObject([{ up: true }, { up: true }])
  await it.done('POST', '/verify')
})

test('a scenario that the clock of the machine cannot wait for is refused', async () => {
  const it = await control()
  expect(await it.refused('POST', '/scenarios', { scenario: 't+30d down 1', background: true })).toMatchObject(told(400, 'is too far off'))
})

test('time moves until nobody waits for it', async () => {
  const it = await control({ clock: 'virtual', now: 0 })
  it.kafka.clock.clock.setTimer(() => {}, 86_400_000)
  expect((await it.done('POST', '/clock/run-until-idle')).now).toBeGreaterThanOrEqual(86_400_000)
})

test('the journal is read by API and client, as lines of text, and as a capture file', async () => {
  const it = await control({ topics: { orders: 1 } })
  const raw = await client(it)
  await produceOne(raw, 'orders', 0, 'x')
  await produceOne(raw, 'orders', 0, 'y')
  await fetchOne(raw, 'orders')
  const all = await it.done('GET', '/journal')
  expect(all).toMatchObject({ count: 3, dropped: 0, entries: [{ number: 1, api: 'Produce', clientId: 'raw', faults: [] }, {}, { api: 'Fetch' }] })
  expect(all.entries[0].request.topicData[0]).toMatchObject({
    name: 'orders', partitionData: [{ index: 0, records: expect.stringMatching(/^AAAA/) }],
  })
  expect(all.entries[1].response.responses[0].partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 1 })
  const last = await it.done('GET', '/journal?api=Produce&clientPattern=%5Er&connection=1&broker=1&last=1&messages=false')
  expect(last).toMatchObject({ count: 2, entries: [{ number: 2 }] })
  expect(last.entries[0]).not.toHaveProperty('request')
  expect(await it.done('GET', '/journal?client=other')).toMatchObject({ count: 0 })
  expect(await it.refused('GET', '/journal?client=a&clientPattern=b')).toMatchObject({ status: 400 })
  expect(await it.refused('GET', '/journal?clientPattern=(')).toMatchObject(told(400, 'clientPattern is no pattern'))
  expect(await it.refused('GET', '/journal?api=Prodce')).toMatchObject({ detail: expect.stringContaining('did you mean "Produce"?') })
  const timeline = await it.ask('GET', '/journal/timeline?last=2')
  expect(timeline.text).toMatch(/^.*raw#1 ──▶ 1 Fetch v12 orders-0\n.*raw#1 ◀── 1 Fetch v12 ok\n$/)
  const pcap = await it.ask('GET', '/journal/pcap')
  expect(pcap.headers['content-type']).toBe('application/vnd.tcpdump.pcap')
  expect(pcap.bytes.readUInt32LE(0)).toBe(0xa1b2c3d4)
  expect((await it.done('GET', '/journal/connections')).connections).toMatchObject([{ kind: 'connected', connection: 1, reason: null }])
  await it.done('DELETE', '/journal')
  expect(await it.done('GET', '/journal')).toMatchObject({ count: 0 })
})

test('a session is recorded, played again, and told from another one', async () => {
  const it = await control({ topics: { orders: 1 } })
  const { id } = await it.done('POST', '/recordings')
  expect(await it.done('GET', '/recordings')).toEqual({ recordings: [{ id }] })
  const raw = await client(it)
  await produceOne(raw, 'orders', 0, 'x')
  await fetchOne(raw, 'orders')
  const file = await it.ask('POST', `/recordings/${id}/stop`)
  expect(file.headers['content-type']).toBe('application/octet-stream')
  expect(await it.refused('POST', `/recordings/${id}/stop`)).toMatchObject({ status: 404 })
  const recording = file.bytes.toString('base64')
  await it.done('POST', '/reset')
  expect(await it.done('POST', '/replays', { recording })).toMatchObject({ requests: 2, compared: 2, skipped: 0, differences: [] })
  const again = await it.done('POST', '/replays', { recording, ignore: ['highWatermark', 'lastStableOffset'] })
  expect(again.differences[0]).toMatchObject({ request: 1, api: 'Produce', path: expect.stringContaining('baseOffset') })
  expect(await it.refused('POST', '/replays', { recording: 'AAAA' })).toMatchObject({ status: 400, code: 'LOG_FILE_CORRUPT' })
  const other = await it.done('POST', '/recordings')
  await it.done('DELETE', `/recordings/${other.id}`)
  await it.done('POST', '/recordings')
  await it.done('POST', '/reset')
  expect(await it.done('GET', '/recordings')).toEqual({ recordings: [] })
})

// Expectations ----------------------------------------------------------------------------------------------------------------------------

test('each matcher says whether it is so, and a failure is told as in a test of Node', async () => {
  const it = await control({ topics: { orders: 2 } })
  const expecting = (expected: object): Promise<Json> => it.done('POST', '/expect', expected)
  const holds = async (expected: object): Promise<void> => expect(await expecting(expected)).toEqual({ pass: true, message: '' })
  const fails = async (expected: object, message: string | RegExp): Promise<void> => {
    expect(await expecting({ timeout: 0, ...expected })).toEqual({ pass: false, message: expect.stringMatching(message) })
  }
  const raw = await client(it)
  const coming = holds({ matcher: 'toHaveProduced', topic: 'orders', record: { value: { id: 'o-2' } } })
  await produceOne(raw, 'orders', 0, '{"id":"o-1","n":1,"tags":["a","b"]}')
  await produceOne(raw, 'orders', 0, '{"id":"o-2"}')
  await coming
  await it.done('POST', '/topics/orders/records', { records: [{ key: 'k', value: 'text', headers: { trace: 't-1' }, partition: 1 }] })
  await holds({
    matcher: 'toHaveProduced', topic: 'orders', record: { key: 'k', value: { $containing: 'ex' }, headers: { trace: { $matches: '^t-' } } },
  })
  await holds({
    matcher: 'toHaveProduced', topic: 'orders', record: { keyBase64: 'aw==', valueBase64: 'dGV4dA==', partition: 1, offset: { $lt: 1 } },
  })
  await holds({ matcher: 'toHaveProduced', topic: 'orders', record: { value: { $containing: { tags: ['b'], n: { $type: 'integer' } } } } })
  await holds({ matcher: 'toHaveProduced', topic: 'orders', record: { value: { id: 'o-3' } }, not: true })
  await fails({ matcher: 'toHaveProduced', topic: 'orders', record: { value: { id: 'o-2' } }, not: true }, /A record of topic "orders" is/)
  await fails({ matcher: 'toHaveProduced', topic: 'orders', record: { key: 'z' } }, /No record .* is \{ key: 'z' \}[^]*The end of the journal/)
  await holds({ matcher: 'toHaveProducedExactly', topic: 'orders', records: 3 })
  await holds({ matcher: 'toHaveProducedExactly', topic: 'orders', records: [{ key: 'k' }, { value: { id: 'o-2' } }, {}] })
  await fails({ matcher: 'toHaveProducedExactly', topic: 'orders', records: [{ key: 'k' }, { key: 'k' }, {}] }, 'None is')
  expect(await expecting({ matcher: 'toHaveNoMoreRecords', topic: 'orders' })).toMatchObject({ pass: false })
  for (let taken = 0; taken < 3; taken++) await it.done('POST', '/topics/orders/next')
  await holds({ matcher: 'toHaveNoMoreRecords', topic: 'orders' })
  await holds({ matcher: 'toHaveCommitted', group: 'g', committed: { orders: [null, null] } })
  await fails({ matcher: 'toHaveCommitted', group: 'g', committed: { orders: [3, { $any: true }] } }, 'has committed')
  await fails({ matcher: 'toBeCaughtUp', group: 'g' }, 'it reads no topic')
  await fails({ matcher: 'toHaveRebalanced', group: 'g', times: 2 }, 'has rebalanced 0 times, and 2 are asked for')
  await holds({ matcher: 'toHaveRebalanced', group: 'g', not: true })
  await holds({ matcher: 'toPreserveKeyOrder', topic: 'orders' })
  await holds({ matcher: 'toPreserveKeyOrder', topic: 'orders', by: 'value.n' })
  await holds({ matcher: 'toHaveNoDuplicates', topic: 'orders' })
  await it.done('POST', '/topics/orders/records', { records: [{ key: 'k', value: 'other', headers: { trace: 't-1' }, partition: 1 }] })
  expect((await expecting({ matcher: 'toHaveNoDuplicates', topic: 'orders', by: 'headers.trace' })).pass).toBe(false)
  await holds({ matcher: 'toHaveReceivedRequest', api: 'Produce', client: { pattern: '^r' }, connection: 1, broker: 1 })
  await holds({ matcher: 'toHaveReceivedRequest', api: 'Produce', matching: { acks: -1, topicData: [{ name: 'orders' }] } })
  await fails({ matcher: 'toHaveReceivedRequest', api: 'Produce', matching: { acks: 0 } }, 'Of 2 Produce requests none')
  await fails({ matcher: 'toHaveAbortedTransaction', topic: 'orders' }, 'was aborted')
  await holds({ matcher: 'toHaveAbortedTransaction', not: true })
  for (const [wrong, complaint] of [
    [{ matcher: 'toHaveProducd', topic: 'orders' }, '/matcher is one of'], [{ matcher: 'toHaveProduced', topic: 'orders' }, 'lacks "record"'],
    [{ matcher: 'toHaveNoDuplicates', topic: 'orders', by: 'body.id' }, 'by is a part of records'], [{ topic: 'orders' }, 'is'],
    [{ matcher: 'toHaveReceivedRequest', api: 'Prodce' }, 'did you mean "Produce"?'],
  ] as const) {
    expect(await it.refused('POST', '/expect', wrong)).toMatchObject(told(400, complaint))
  }
})

test('strict mode tells what it found, and fails the test', async () => {
  const it = await control({ strict: true })
  expect(await it.done('GET', '/strict')).toEqual({ enabled: true, findings: [] })
  const raw = await client(it)
  const { metadata } = await import('../../../src/kafka/apis/03-metadata.ts')
  await raw.request(metadata, 12, { topics: [{ name: 'nowhere' }], allowAutoTopicCreation: true })
  expect(await it.done('GET', '/strict')).toMatchObject({ findings: [{ rule: 'unknown-topic', clientId: 'raw', what: 'topic "nowhere"' }] })
  expect(await it.refused('POST', '/verify')).toMatchObject({ status: 409, code: 'LOG_STRICT' })
  await it.done('POST', '/reset', { verify: false })
  expect(await (await control()).done('GET', '/strict')).toEqual({ enabled: false, findings: [] })
})

test('a contract is a JSON Schema, refuses what breaks it or fails the test, and takes no keyword that it would pass over', async () => {
  const it = await control({ topics: { orders: 1, audit: 1 } })
  const order = { type: 'object', properties: { total: { type: 'number', minimum: 0 } }, required: ['total'] }
  const made = await it.ask('POST', '/contracts', {
    topic: 'orders', key: { type: ['string', 'null'], pattern: '^o-' }, value: order, tombstones: false,
  })
  expect(made).toMatchObject({ status: 201, headers: { location: '/contracts/1' }, body: { id: '1', topic: 'orders', violations: [] } })
  const raw = await client(it)
  expect((await produceOne(raw, 'orders', 0, '{"total":1}')).errorCode).toBe(0)
  expect((await produceOne(raw, 'orders', 0, '{"total":-1}')).errorCode).toBe(87)
  expect((await it.done('GET', '/contracts/1')).violations).toMatchObject([{
    clientId: 'raw', reason: expect.stringContaining('/total is at least 0, not -1'),
  }])
  await it.done('POST', '/contracts', { topic: 'audit', value: { type: 'integer' }, mode: 'report' })
  expect((await produceOne(raw, 'audit', 0, '"x"')).errorCode).toBe(0)
  expect(await it.refused('POST', '/verify')).toMatchObject({ status: 409, code: 'LOG_CONTRACT_BROKEN' })
  expect((await it.done('GET', '/contracts')).contracts).toHaveLength(2)
  await it.done('DELETE', '/contracts/2')
  await it.done('POST', '/verify')
  expect(await it.refused('GET', '/contracts/2')).toMatchObject({ status: 404 })
  for (const [value, complaint] of [
    [{ patternProperties: {} }, '/value has an unknown field "patternProperties"'], [{ type: 'strin' }, '/value/type'],
    [{ pattern: '(' }, '/value/pattern is no pattern'],
    [{ properties: { total: { minimum: '1' } } }, '/value/properties/total/minimum is a number'],
  ] as const) {
    expect(await it.refused('POST', '/contracts', { topic: 'orders', value })).toMatchObject(told(400, complaint))
  }
})

// Beginning and end -----------------------------------------------------------------------------------------------------------------------

test('a port in use is told', async () => {
  const server = createServer()
  onTestFinished(() => void server.close())
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  const it = await control()
  const { Sidecar } = await import('../../../src/testing/sidecar/sidecar.ts')
  await expect(Sidecar.start(it.kafka, { port, version: '' })).rejects.toThrow(`port ${port} of 127.0.0.1 is in use`)
})

test('when it is closed all is over, and it says what the tests fail for', async () => {
  const it = await control({ topics: { orders: 1 } })
  await it.done('POST', '/forks')
  await it.done('POST', '/forks/1/faults', { api: 'Fetch', actions: [{ type: 'duplicate' }] })
  const waiting = ask(`${it.url}/topics/orders/next`, { method: 'POST' })
  await it.done('GET', '/health')
  const failures = await it.sidecar.close()
  expect(failures).toMatchObject([{ code: 'LOG_FAULT_UNFIRED', message: expect.stringContaining('answered twice') }])
  expect(await waiting).toMatchObject({ status: 503, body: { code: 'LOG_CLOSED' } })
  await expect(ask(`${it.url}/health`, {})).rejects.toThrow('ECONNREFUSED')
})

test('no route of the description was left out by these tests', async () => {
  const { description } = await control()
  const operations = Object.values(description.paths).flatMap((all) => Object.values(all)).map(({ operationId }) => operationId)
  expect(operations.filter((name) => !answered.has(name))).toEqual([])
  expect(operations.length).toBeGreaterThan(50)
})
