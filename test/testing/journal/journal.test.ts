/*
 * The journal of a test broker: what it keeps, how it is searched and shown, and its bounds.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { apiVersions } from '../../../src/kafka/apis/18-api-versions.ts'
import { metadata } from '../../../src/kafka/apis/03-metadata.ts'
import { client, fetchOne, produceOne, startBroker } from '../broker/harness.ts'

test('every request is kept with its answer, decoded, with who asked and what faults did', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual', now: Date.UTC(2026, 5, 1) })
  const raw = await client(kafka)
  await raw.request(apiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1.2' })
  kafka.faults.on('Produce').once().error('NOT_LEADER_OR_FOLLOWER')
  await produceOne(raw, 't', 0, 'v')
  await produceOne(raw, 't', 0, 'v')
  const [refused, stored] = kafka.journal.of('Produce')
  expect(refused).toMatchObject({
    number: 2, api: 'Produce', key: 0, version: 9, connection: 1, broker: 1, clientId: 'raw', software: 'raw 1.2', at: Date.UTC(2026, 5, 1),
    durationMs: 0, faults: ['NOT_LEADER_OR_FOLLOWER'],
  })
  expect(refused!.request).toMatchObject({ acks: -1, topicData: [{ name: 't', partitionData: [{ index: 0 }] }] })
  expect(stored!.response).toMatchObject({ responses: [{ name: 't', partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 0 }] }] })
  expect(stored!.requestBytes).toBeGreaterThan(60)
  expect(stored!.responseBytes).toBe(stored!.responseFrame!.length)
  expect(kafka.journal.filter({ client: /^r/, connection: 1, broker: 1, matching: ({ version }) => version === 9 })).toHaveLength(2)
  expect(kafka.journal.of('Fetch')).toEqual([])
  expect(() => kafka.journal.of('fetch')).toThrow('did you mean "Fetch"?')
})

test('a password is in no capture, whatever version of its request it comes in', async () => {
  const kafka = await startBroker({})
  // API 36, version 9, correlation 7, client "c", no tags, nine bytes.
  const frame = Buffer.from('00240009000000070001630000000009', 'hex')
  const secret = Buffer.from('TOPSECRET')
  const socket = connect(kafka.brokers[0]!.port, '127.0.0.1').on('error', () => {})
  const answered = Promise.race([once(socket, 'data'), once(socket, 'close')])
  const body = Buffer.concat([frame, secret])
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  socket.write(Buffer.concat([length, body]))
  await answered
  socket.destroy()
  expect(kafka.journal.filter({})).toMatchObject([{ api: 'SaslAuthenticate', version: 9, served: false }])
  expect(kafka.journal.toPcap().includes(secret)).toBe(false)
})

test('the timeline has a line for each request, answer and connection', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, clock: 'virtual' })
  const raw = await client(kafka)
  kafka.faults.on('Produce').once().error('NOT_LEADER_OR_FOLLOWER')
  await produceOne(raw, 't', 0, 'v')
  kafka.faults.on('Metadata').once().dropConnection()
  await raw.request(metadata, 9, { topics: [{ name: 't' }] }).catch(() => {})
  await kafka.until(() => (kafka.connections === 0 ? true : undefined), 'it is connected still')
  expect(kafka.journal.timeline()).toBe([
    '   0.000s  raw#1 ───   connected',
    '   0.000s  raw#1 ──▶ 1 Produce v9 t-0',
    '   0.000s  raw#1 ◀── 1 Produce v9 NOT_LEADER_OR_FOLLOWER  [NOT_LEADER_OR_FOLLOWER]',
    '   0.000s  raw#1 ──▶ 1 Metadata v9 t',
    '   0.000s  raw#1 ╳── 1 Metadata v9 not answered  [close]',
    '   0.000s  raw#1 ─╳─   disconnected: a fault of the test closed it', '',
  ].join('\n'))
  expect(kafka.journal.timeline({ last: 1 }).split('\n')).toHaveLength(2)
})

test('requests in versions that are not served are kept with what they were told, unread', async () => {
  const kafka = await startBroker({ emulate: '2.0' })
  const raw = await client(kafka)
  expect((await raw.exchange(apiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1' })).readInt16BE(8)).toBe(35)
  await raw.request(metadata, 12, { topics: [] }).catch(() => {})
  const [versions, topics] = kafka.journal.entries
  expect(versions).toMatchObject({ api: 'ApiVersions', version: 3, served: false, clientId: 'raw', request: {}, response: { errorCode: 35 } })
  expect(topics).toMatchObject({ api: 'Metadata', version: 12, served: false, request: {}, response: undefined })
  expect(kafka.journal.timeline().replaceAll(/^ +[\d.]+s {2}/gm, '').split('\n').slice(1, 4)).toEqual([
    'raw#1 ──▶ 1 ApiVersions v3, which is not served', 'raw#1 ◀── 1 ApiVersions v3, which is not served UNSUPPORTED_VERSION',
    'raw#1 ──▶ 1 Metadata v12, which is not served',
  ])
})

test('answers to requests that were forgotten meanwhile take no room', async () => {
  const kafka = await startBroker({ topics: { t: 1 }, journal: { maxEntries: 20, maxBytes: 20_000 } })
  const [raw, reader] = [await client(kafka), await client(kafka)]
  let offset = 0
  for (let round = 0; round < 8; round++) {
    const answered = fetchOne(reader, 't', { from: offset++, maxWaitMs: 5000 })
    for (let count = 0; count < 25; count++) await raw.request(apiVersions, 0, {})
    if (round === 1) kafka.journal.clear()
    await produceOne(raw, 't', 0, 'x'.repeat(5000))
    await answered
  }
  for (let count = 0; count < 25; count++) await raw.request(apiVersions, 0, {})
  expect(kafka.journal.entries).toHaveLength(20)
})

test('it is bounded: the oldest requests go first', async () => {
  const kafka = await startBroker({ journal: { maxEntries: 3 } })
  const raw = await client(kafka)
  for (let count = 0; count < 5; count++) await raw.request(apiVersions, 0, {})
  expect(kafka.journal.entries.map(({ number }) => number)).toEqual([3, 4, 5])
  expect(kafka.journal.dropped).toBe(2)
  kafka.journal.clear()
  await raw.request(apiVersions, 0, {})
  expect(kafka.journal.entries.map(({ number }) => number)).toEqual([1])
  const small = await startBroker({ journal: { maxBytes: 100 } })
  const other = await client(small)
  for (let count = 0; count < 5; count++) await other.request(apiVersions, 0, {})
  expect(small.journal.entries).toHaveLength(1)
})

test('the capture file has whole IP packets with a handshake in front of each conversation', async () => {
  const kafka = await startBroker({ topics: { t: 1 } })
  const raw = await client(kafka)
  await produceOne(raw, 't', 0, 'v'.repeat(100_000))
  const file = kafka.journal.toPcap()
  expect(file.readUInt32LE(0)).toBe(0xa1b2c3d4)
  const packets: Buffer[] = []
  for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8)) packets.push(file.subarray(at + 16, at + 16 + file.readUInt32LE(at + 8)))
  expect(packets.map((packet) => packet[33])).toEqual([0x02, 0x12, 0x10, 0x18, 0x18, 0x18])
  for (const packet of packets) expect(packet.readUInt16BE(2)).toBe(packet.length)
  const sent = Buffer.concat(packets.slice(3, 5).map((packet) => packet.subarray(40)))
  expect(sent.subarray(4).equals(kafka.journal.of('Produce')[0]!.requestFrame)).toBe(true)
})
