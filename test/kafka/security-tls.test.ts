import { X509Certificate } from 'node:crypto'
import { connect as connectPlain } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'
import { expect, test } from 'vitest'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { type Peer, type TlsOptions } from '../../src/kafka/index.ts'
import { subjectOf } from '../../src/kafka/security/distinguished-name.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { ca, client as ada, odd, server, stranger } from './certificates.ts'
import { RawClient, startListener, type TestListener } from './harness.ts'
import { scram } from './sasl-client.ts'

const ADA = 'CN=ada,OU=a\\+b\\=c \\#1,O=Räksmörgås\\, Inc.,C=SE'

async function secure(listener: TestListener, { port = listener.kafka.brokers[0]!.port, ...options }: ConnectionOptions = {}): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', ca, servername: 'localhost', ...options })
  const client = RawClient.on(socket)
  await new Promise<void>((resolve, reject) => void socket.once('secureConnect', resolve).once('error', reject).once('close', reject))
  return client
}

const withTls = (tls: Partial<TlsOptions> = {}): Promise<TestListener> => startListener({ tls: { ...server, ca, ...tls } })
const told = ({ events }: TestListener, type: string): object[] => events.filter((event) => event.type === type)

/** What the listener makes of a client, as an authorizer sees it. */
async function principals(tls: Partial<TlsOptions>, options: ConnectionOptions): Promise<string[]> {
  const seen = new Set<string>()
  const authorizer = { allows: ({ principal: { type, name } }: Peer) => seen.add(`${type}:${name}`).size > 0 }
  const listener = await startListener({ tls: { ...server, ca, ...tls }, authorizer })
  await (await secure(listener, options)).request(metadata, 4, { topics: [{ name: 'x' }], allowAutoTopicCreation: false })
  return [...seen]
}

test('a client that trusts the authority is served over TLS, and has no name', async () => {
  const listener = await withTls()
  const client = await secure(listener)
  expect((await client.request(apiVersions, 0, {})).errorCode).toBe(0)
  expect(told(listener, 'connected')).toMatchObject([{ listener: 'SSL' }])
  expect(await principals({}, {})).toEqual(['User:ANONYMOUS'])
})

test('the name of a principal is the subject of its certificate as Java prints it', async () => {
  expect(await principals({ clientAuth: 'required' }, ada)).toEqual([`User:${ADA}`])
  expect(await principals({ clientAuth: 'requested' }, ada)).toEqual([`User:${ADA}`])
  expect(await principals({ clientAuth: 'requested' }, {})).toEqual(['User:ANONYMOUS'])
  const short = (subject: string): string => /CN=([^,]+)/.exec(subject)![1]!
  expect(await principals({ clientAuth: 'required', principal: short }, ada)).toEqual(['User:ada'])
})

test('a client whose certificate the function for principals cannot name is sent away, and nobody else', async () => {
  const short = (subject: string): string => /CN=([^,]+)/.exec(subject.replace(ADA, 'O=nobody'))![1]!
  const listener = await withTls({ clientAuth: 'requested', principal: short })
  const socket = connect({ ...ada, port: listener.kafka.brokers[0]!.port, host: '127.0.0.1', servername: 'localhost', ca })
  socket.on('error', () => {})
  await new Promise((resolve) => void socket.once('close', resolve))
  expect(told(listener, 'refused')).toMatchObject([{ reason: expect.stringContaining('its certificate names nobody') }])
  expect((await (await secure(listener)).request(apiVersions, 0, {})).errorCode).toBe(0)
})

test('parts of a subject without a short name are shown by number, with their bytes; two of one rank are joined', () => {
  expect(subjectOf(new X509Certificate(odd.cert).raw)).toBe(
    'CN=\\ padded\\ ,L=x+ST=y,2.5.4.5=#13023432,1.2.840.113549.1.9.1=#160f616461406578616d706c652e6f7267,UID=u7,DC=example,DC=org',
  )
  const { raw } = new X509Certificate(odd.cert)
  for (let size = 0; size < raw.length; size++) expect(() => subjectOf(raw.subarray(0, size))).toThrow(RangeError)
})

for (const clientAuth of ['requested', 'required'] as const) {
  test(`a certificate that nobody trusts is sent away when one is ${clientAuth}, with one event`, async () => {
    const listener = await withTls({ clientAuth })
    // In TLS 1.3 the client believes that it is in before the server has looked at its certificate.
    const outcome = secure(listener, stranger).then((client) => client.request(apiVersions, 0, {}))
    await expect(outcome).rejects.toBeDefined()
    expect(await told1(listener, 'refused')).toMatchObject({ reason: 'its certificate is not trusted: DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(told(listener, 'connected')).toEqual([])
  })
}

test('a client without a certificate is sent away when one is required, with one event', async () => {
  const listener = await withTls({ clientAuth: 'required' })
  await expect(secure(listener).then((client) => client.request(apiVersions, 0, {}))).rejects.toBeDefined()
  expect(await told1(listener, 'refused')).toMatchObject({ reason: expect.stringContaining('peer did not return a certificate') })
})

test('a client that speaks plainly on a TLS port is sent away with one event that says so', async () => {
  const listener = await withTls()
  const client = await listener.client()
  await expect(client.request(apiVersions, 3, {})).rejects.toThrow('closed')
  expect(await told1(listener, 'refused')).toMatchObject({ address: '127.0.0.1', reason: 'it did not speak TLS on a TLS port' })
  expect(told(listener, 'connected')).toEqual([])
})

test('a client that speaks TLS on a plain port is sent away with one event that says so', async () => {
  const listener = await startListener()
  await expect(secure(listener)).rejects.toBeDefined()
  expect(told(listener, 'malformed')).toMatchObject([{ reason: 'it began a TLS handshake on a plain port' }])
})

test('a client that says nothing is sent away in time, and one that leaves is no trouble', async () => {
  const clock = new ManualClock()
  const listener = await startListener({ tls: server, requestTimeoutMs: 5000, log: { clock } })
  const { port } = listener.kafka.brokers[0]!
  const timers = clock.timers
  const silent = connectPlain({ port, host: '127.0.0.1' })
  const closed = new Promise((resolve) => void silent.once('close', resolve))
  while (clock.timers === timers) await turn()
  await clock.advance(5000)
  await closed
  expect(told(listener, 'refused')).toMatchObject([{ reason: 'its TLS handshake took too long' }])
  const hasty = connectPlain({ port, host: '127.0.0.1' })
  hasty.once('connect', () => void hasty.destroy())
  while (told(listener, 'refused').length < 2) await turn()
  expect((await (await secure(listener)).request(apiVersions, 0, {})).errorCode).toBe(0)
  expect(clock.timers).toBeLessThanOrEqual(timers + 1)
})

test('handshakes count among the connections that there may be', async () => {
  const listener = await startListener({ tls: server, maxConnections: 1 })
  const { port } = listener.kafka.brokers[0]!
  const silent = connectPlain({ port, host: '127.0.0.1' })
  silent.on('error', () => {})
  await new Promise((resolve) => void silent.once('connect', resolve))
  await expect(secure(listener)).rejects.toBeDefined()
  expect(told(listener, 'refused')).toMatchObject([{ reason: 'there are 1 connections' }])
  silent.destroy()
})

test('a listener that closes ends the handshakes that go on', async () => {
  const listener = await startListener({ tls: server })
  const silent = connectPlain({ port: listener.kafka.brokers[0]!.port, host: '127.0.0.1' })
  silent.on('error', () => {})
  const closed = new Promise((resolve) => void silent.once('close', resolve))
  await new Promise((resolve) => void silent.once('connect', resolve))
  await turn()
  await listener.kafka.close()
  await closed
})

test('over TLS and SASL together the name is the one of SASL', async () => {
  const listener = await startListener({ tls: { ...server, ca, clientAuth: 'required' }, sasl: { users: { bob: 'x' } } })
  const client = await secure(listener, ada)
  expect(await scram(client, 'SCRAM-SHA-256', 'bob', 'x')).toMatchObject({ errorCode: 0 })
  expect(told(listener, 'connected')).toMatchObject([{ listener: 'SASL_SSL' }])
  expect(told(listener, 'authenticated')).toMatchObject([{ principal: 'User:bob' }])
})

test('several listeners differ in security, and each tells its clients its own addresses', async () => {
  const listener = await startListener({
    brokers: 2, listeners: [{}, { tls: server }, { sasl: { users: { ada: 'x' } } }, { name: 'INTERNAL', advertisedHost: 'broker.test' }],
  })
  const { kafka } = listener
  expect(Object.keys(kafka.brokers[0]!.listeners)).toEqual(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'INTERNAL'])
  const ports = (name: string): number[] => kafka.brokers.map(({ listeners }) => Number(listeners[name]!.replace(/.*:/, '')))
  const told = async (client: RawClient): Promise<string[]> => {
    const { brokers } = await client.request(metadata, 4, { topics: [], allowAutoTopicCreation: false })
    return brokers.map(({ host, port }) => `${host}:${port}`)
  }
  const addresses = (name: string, host: string): string[] => ports(name).map((port) => `${host}:${port}`)
  expect(await told(await listener.client(1))).toEqual(addresses('PLAINTEXT', 'localhost'))
  expect(await told(await secure(listener, { port: ports('SSL')[0]! }))).toEqual(addresses('SSL', 'localhost'))
  expect(await told(await listener.client(0, 'INTERNAL'))).toEqual(addresses('INTERNAL', 'broker.test'))
  await expect(told(await listener.client(0, 'SASL_PLAINTEXT'))).rejects.toThrow('closed')
  expect(kafka.bootstrap).toBe(kafka.bootstrapOf('PLAINTEXT'))
  expect(kafka.bootstrapOf('INTERNAL')).toBe(addresses('INTERNAL', 'broker.test').join(','))
  expect(() => kafka.bootstrapOf('EXTERNAL')).toThrow('there is no listener "EXTERNAL"')
})

/** Waits for an event, and gives it when it is the only one of its type. */
async function told1(listener: TestListener, type: string): Promise<object> {
  while (told(listener, type).length === 0) await turn()
  for (let count = 0; count < 20; count++) await turn()
  expect(told(listener, type)).toHaveLength(1)
  return told(listener, type)[0]!
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
