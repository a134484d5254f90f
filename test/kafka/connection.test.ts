import { expect, test } from 'vitest'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { apis } from '../../src/kafka/apis.ts'
import { startListener } from './harness.ts'

test('ApiVersions tells what is served, in every version', async () => {
  const { client } = await startListener()
  for (let version = 0; version <= 4; version++) {
    const raw = await client()
    const answer = await raw.request(apiVersions, version, { clientSoftwareName: 'raw', clientSoftwareVersion: '1.0' })
    expect(answer.errorCode).toBe(0)
    expect(answer.apiKeys.map(({ apiKey }) => apiKey)).toEqual(apis.map(({ key }) => key))
    if (version < 3) continue
    expect(answer.finalizedFeatures.map(({ name }) => name)).toContain('transaction.version')
    // Clients that speak 3 fail over a feature that begins at level 0.
    expect(answer.supportedFeatures.some(({ minVersion }) => minVersion === 0)).toBe(version >= 4)
  }
})

test('a version of ApiVersions that is not served is answered in the form of version 0', async () => {
  const { client } = await startListener()
  const raw = await client()
  const request = raw.encode(apiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1' }, 7)
  request.writeInt16BE(99, 6)
  const answer = raw.answerTo(7)
  raw.send(request)
  // Length, correlation id, error 35, one API: 18 from 0 to 4.
  expect((await answer).toString('hex')).toBe('00000010' + '00000007' + '0023' + '00000001' + '001200000004')
  expect((await raw.request(apiVersions, 0, {})).errorCode).toBe(0)
})

test('metadata makes a topic that a client asks for, and answers its partitions at once', async () => {
  const { client, kafka } = await startListener({ numPartitions: 3, brokers: 2 })
  const raw = await client(1)
  const answer = await raw.request(metadata, 12, { topics: [{ name: 'orders' }] })
  expect(answer.brokers.map(({ port }) => port)).toEqual(kafka.brokers.map(({ port }) => port))
  expect(answer.topics).toMatchObject([{ errorCode: 0, name: 'orders', isInternal: false }])
  expect(new Set(answer.topics[0]!.partitions.map(({ leaderId }) => leaderId)).size).toBe(2)
  const again = await raw.request(metadata, 0, { topics: [] })
  expect(again.topics.map(({ name }) => name)).toEqual(['orders'])
})

test('a topic that is named twice is answered once', async () => {
  const { client, log } = await startListener({ autoCreateTopics: false })
  await log.topic('orders')
  const { topics } = await (await client()).request(metadata, 4, {
    topics: ['orders', 'none', 'orders', 'none'].map((name) => ({ name })), allowAutoTopicCreation: false,
  })
  expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([['orders', 0], ['none', 3]])
})

test('an API that is not served, and a body that is no request, end the connection and touch nobody else', async () => {
  const { client, events } = await startListener()
  const other = await client()
  for (const damage of [
    (frame: Buffer) => frame.writeInt16BE(999, 4),
    (frame: Buffer) => frame.writeInt32BE(0x7fff_ffff, frame.length - 12),
    (frame: Buffer) => frame.writeInt32BE(-1, 0),
    (frame: Buffer) => frame.writeInt32BE(0x7fff_ffff, 0),
  ]) {
    const raw = await client()
    const frame = raw.encode(metadata, 1, { topics: [{ name: 'orders' }] })
    damage(frame)
    raw.send(frame)
    await raw.closed
  }
  expect(events.filter(({ type }) => type === 'malformed')).toHaveLength(4)
  expect((await other.request(apiVersions, 0, {})).errorCode).toBe(0)
})
