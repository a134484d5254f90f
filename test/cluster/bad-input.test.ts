import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { type ClusterLog, type ClusterSecurity, connect } from '../../src/cluster/index.ts'
import { defineTopic, isLogError, LogError, string } from '../../src/index.ts'
import { type ListenOptions, unsecuredTokens } from '../../src/kafka/index.ts'
import { startTestBroker } from '../../src/testing/index.ts'
import { ca, client, server } from '../kafka/certificates.ts'
import { overListener } from './harness.ts'

async function failureOf(work: Promise<unknown>): Promise<LogError> {
  const error = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (isLogError(error)) return error
  throw new Error('it did not fail with a LogError', { cause: error })
}

/** A port at which nobody is. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function valuesOf(log: ClusterLog, name: string): Promise<unknown[]> {
  const topic = await log.topic(defineTopic(name, { value: string }))
  const values: unknown[] = []
  for await (const { value } of topic.consumer({ until: 'end' })) values.push(value)
  return values
}

test('no broker there is LOG_CLUSTER_UNAVAILABLE with the addresses, and retriable', async () => {
  const brokers = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const error = await failureOf(connect({ brokers, timeoutMs: 100 }))
  expect([error.code, error.retriable, error.detail]).toEqual(['LOG_CLUSTER_UNAVAILABLE', true, { brokers }])
})

test('a signal ends the connecting with its reason', async () => {
  const reason = new Error('enough')
  await expect(connect({ brokers: 'localhost:1', signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const controller = new AbortController()
  const connecting = connect({ brokers: `127.0.0.1:${await freePort()}`, signal: controller.signal })
  controller.abort(reason)
  await expect(connecting).rejects.toBe(reason)
})

test('a wrong password is LOG_AUTHENTICATION_FAILED, for every mechanism; the right one is let in', async () => {
  await overListener(async ({ connect: another }) => {
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      const wrong = another({ security: { sasl: { mechanism, username: 'ada', password: 'wrong' } } })
      expect((await failureOf(wrong)).code).toBe('LOG_AUTHENTICATION_FAILED')
      const log = await another({ security: { sasl: { mechanism, username: 'ada', password: 'right' } } })
      const topic = await log.topic(defineTopic('t', { value: string }))
      await topic.send({ value: mechanism })
    }
  }, {
    listen: { sasl: { users: { ada: 'right' } } },
    connect: { security: { sasl: { mechanism: 'plain', username: 'ada', password: 'right' } } },
  })
})

test('TLS: who is not who the certificate says is not believed; a name of its own, and certificates of clients, are used', async () => {
  const rightly = { tls: { ca } }
  await overListener(async ({ connect: another, bootstrap }) => {
    expect((await failureOf(another({ security: { tls: true } }))).code).toBe('LOG_AUTHENTICATION_FAILED')
    expect((await failureOf(another({ security: { tls: { ca, servername: 'elsewhere' } } }))).code).toBe('LOG_AUTHENTICATION_FAILED')
    const port = bootstrap.slice(bootstrap.lastIndexOf(':') + 1)
    for (const host of ['localhost', '127.0.0.1']) {
      const log = await another({ brokers: `${host}:${port}`, security: { tls: { ca, servername: 'localhost' } } })
      await (await log.topic(defineTopic('t', { value: string }))).send({ value: host })
    }
    await expect(another({ security: { tls: { cert: 'rubbish', key: 'x' } } })).rejects.toThrow(/security.tls cannot be used/)
  }, { listen: { tls: server }, connect: { security: rightly } })
  await overListener(async ({ log }) => {
    await (await log.topic(defineTopic('t', { value: string }))).send({ value: 'a' })
    expect(await valuesOf(log, 't')).toEqual(['a'])
  }, { listen: { tls: { ...server, ca, clientAuth: 'required' } }, connect: { security: { tls: { ca, ...client } } } })
})

test('what security lacks, or has and should not, is LOG_AUTHENTICATION_FAILED at once, and not retriable', async () => {
  const users = { users: { ada: 'right' } }
  const cases: readonly (readonly [listen: Partial<ListenOptions>, good: ClusterSecurity, bad: ClusterSecurity, says: RegExp])[] = [
    [{ sasl: users }, { sasl: { mechanism: 'plain', username: 'ada', password: 'right' } }, {}, /`security.sasl` is missing/],
    [{ tls: { ...server, ca, clientAuth: 'required' } }, { tls: { ca, ...client } }, { tls: { ca } }, /does not believe who we say we are/],
    [{}, {}, { tls: { ca } }, /do not speak TLS/],
  ]
  for (const [listen, good, bad, says] of cases) {
    await overListener(async ({ connect: another }) => {
      const error = await failureOf(another({ security: bad, timeoutMs: 600_000 }))
      expect([error.code, error.retriable]).toEqual(['LOG_AUTHENTICATION_FAILED', false])
      expect(error.message).toMatch(says)
    }, { listen, connect: { security: good } })
  }
})

test('a token that is good for months is asked for once, and not with every tick', async () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = `${part({ alg: 'none' })}.${part({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + 90 * 86_400 })}.`
  let asked = 0
  const provide = (): string => {
    asked++
    return token
  }
  const warnings: string[] = []
  const warned = ({ name }: Error): void => { warnings.push(name) }
  process.on('warning', warned)
  await overListener(async ({ log }) => {
    const topic = await log.topic(defineTopic('t', { value: string }))
    await topic.send({ value: 'a' })
    // A timer that overflows fires after 1 ms: each answer takes as long.
    const before = asked
    for (let round = 0; round < 20; round++) await topic.offsets()
    expect(asked).toBe(before)
  }, { listen: { sasl: { oauthbearer: unsecuredTokens() } }, connect: { security: { sasl: { mechanism: 'oauthbearer', token: provide } } } })
  process.off('warning', warned)
  expect(warnings).not.toContain('TimeoutOverflowWarning')
})

test('OAUTHBEARER: a token that the cluster takes, of a function too; one that it does not is LOG_AUTHENTICATION_FAILED', async () => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = `${part({ alg: 'none' })}.${part({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + 3600 })}.`
  const sasl = (of: string | (() => string | Promise<string>)) => ({ security: { sasl: { mechanism: 'oauthbearer', token: of } as const } })
  await overListener(async ({ connect: another }) => {
    const log = await another(sasl(async () => token))
    await (await log.topic(defineTopic('t', { value: string }))).send({ value: 'a' })
    expect((await failureOf(another(sasl('rubbish')))).code).toBe('LOG_AUTHENTICATION_FAILED')
    const failing = sasl(() => { throw new Error('no token') })
    expect((await failureOf(another(failing))).code).toBe('LOG_AUTHENTICATION_FAILED')
  }, { listen: { sasl: { oauthbearer: unsecuredTokens() } }, connect: sasl(token) })
})

test('a cluster that coordinates no transactions is told of, and other sends go on', async () => {
  const kafka = await startTestBroker()
  const log = await connect({ brokers: kafka.bootstrap, timeoutMs: 200 })
  const fault = kafka.faults.on('InitProducerId').matching(({ transactionalId }) => transactionalId !== null).error('UNSUPPORTED_VERSION')
  const error = await failureOf(log.beginTransaction())
  fault.cancel()
  expect(error.code).toBe('LOG_CLUSTER_UNSUPPORTED')
  await (await log.topic(defineTopic('t', { value: string }))).send({ value: 'a' })
  expect(await valuesOf(log, 't')).toEqual(['a'])
  await log.close()
  await kafka.close()
})

test('a topic with other settings or more partitions is LOG_TOPIC_MISMATCH; with fewer partitions it gets more', async () => {
  await overListener(async ({ log }) => {
    await log.topic(defineTopic('t', { partitions: 2, retentionMs: 1000, cleanupPolicy: 'delete' }))
    await log.topic(defineTopic('t', { retentionMs: 1000 }))
    expect((await failureOf(log.topic(defineTopic('t', { retentionMs: 2000 })))).detail).toMatchObject({ setting: 'retention.ms', actual: '1000' })
    expect((await failureOf(log.topic(defineTopic('t', { cleanupPolicy: 'compact' })))).code).toBe('LOG_TOPIC_MISMATCH')
    expect((await failureOf(log.topic(defineTopic('t', { partitions: 1 })))).code).toBe('LOG_TOPIC_MISMATCH')
    expect((await log.topic(defineTopic('t', { partitions: 4 }))).partitionCount).toBe(4)
    expect((await failureOf(log.topic(defineTopic('other'), { create: false }))).code).toBe('LOG_NOT_FOUND')
  })
})

test('a record above the limit of its topic is LOG_RECORD_TOO_LARGE, and those beside it are stored', async () => {
  await overListener(async ({ log }) => {
    const topic = await log.topic(defineTopic('t', { value: string, maxMessageBytes: 1000 }))
    expect((await failureOf(topic.send({ value: 'x'.repeat(2000) }))).detail).toMatchObject({ topic: 't', limit: 1000 })
    const error = await failureOf(topic.send([{ value: 'a' }, { value: 'x'.repeat(2000) }, { value: 'b' }]))
    expect(error.code).toBe('LOG_SEND_FAILED')
    expect((error.detail['results'] as unknown[]).map((result) => (isLogError(result) ? result.code : 'stored')))
      .toEqual(['stored', 'LOG_RECORD_TOO_LARGE', 'stored'])
    expect(await valuesOf(log, 't')).toEqual(['a', 'b'])
  })
})

test('a limit that the cluster has and the topic does not tell of is LOG_RECORD_TOO_LARGE too', async () => {
  const kafka = await startTestBroker()
  const log = await connect({ brokers: kafka.bootstrap })
  kafka.faults.on('Produce').once().error('MESSAGE_TOO_LARGE')
  const topic = await log.topic(defineTopic('t', { value: string }))
  expect((await failureOf(topic.send({ value: 'a' }))).code).toBe('LOG_RECORD_TOO_LARGE')
  await topic.send({ value: 'b' })
  expect(await valuesOf(log, 't')).toEqual(['b'])
  await log.close()
  await kafka.close()
})

test('who may not is LOG_NOT_AUTHORIZED', async () => {
  const kafka = await startTestBroker()
  const log = await connect({ brokers: kafka.bootstrap })
  const topic = await log.topic(defineTopic('t', { value: string }))
  kafka.faults.on('Produce').once().error('TOPIC_AUTHORIZATION_FAILED')
  expect((await failureOf(topic.send({ value: 'a' }))).code).toBe('LOG_NOT_AUTHORIZED')
  kafka.faults.on('CreateTopics').once().error('TOPIC_AUTHORIZATION_FAILED')
  expect((await failureOf(log.topic(defineTopic('new')))).code).toBe('LOG_NOT_AUTHORIZED')
  kafka.faults.on('JoinGroup').once().error('GROUP_AUTHORIZATION_FAILED')
  const loop = async (): Promise<void> => { for await (const record of topic.consumer({ group: 'g', until: 'end' })) void record }
  expect((await failureOf(loop())).code).toBe('LOG_NOT_AUTHORIZED')
  await log.close()
  await kafka.close()
})

test('options that cannot be are a TypeError or RangeError that names them', async () => {
  for (const [options, message] of [
    [undefined, /connect takes options/], [{ brokers: [] }, /brokers is/], [{ brokers: 'localhost' }, /host:port/],
    [{ brokers: 'a:1', broker: 1 }, /did you mean "brokers"/],
    [{ brokers: 'a:1', security: { sasl: { mechanism: 'plian' } } }, /did you mean 'plain'/],
    [{ brokers: 'a:1', compression: 'zip' }, /compression is one of/], [{ brokers: 'a:1', replication: 0 }, /replication/],
    [{ brokers: 'a:1', clientId: '' }, /clientId/],
  ] as const) await expect(connect(options as never)).rejects.toThrow(message)
})
