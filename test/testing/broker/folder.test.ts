/*
 * Test brokers that keep their log in a folder go back, are reset and forked as those in memory.
 */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { CommitLog, isLogError } from '../../../src/index.ts'
import { type TestBroker } from '../../../src/testing/index.ts'
import { client, fetchOne, produceOne, startBroker } from './harness.ts'

/** A folder in one of its own, of which nothing is left. */
function folder(): string {
  const parent = mkdtempSync(join(tmpdir(), 'commitlog-test-broker-'))
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'log')
}

const values = (kafka: TestBroker, topic = 'orders'): unknown[] => kafka.topic(topic).records().map((record) => record.text())

test('a broker in a folder goes back to a checkpoint, on its ports and with its clients, and the folder with it', async () => {
  const dir = folder()
  const kafka = await startBroker({ dir, topics: { orders: 1 } })
  const { bootstrap } = kafka
  const raw = await client(kafka)
  kafka.topic('orders').append([{ value: 'a' }, { value: 'b' }])
  const at = await kafka.checkpoint()
  await kafka.createTopic('later')
  kafka.topic('orders').append({ value: 'c' })
  await kafka.restore(at)
  expect(values(kafka)).toEqual(['a', 'b'])
  expect(kafka.log.core.topics.map(({ name }) => name)).toEqual(['orders'])
  expect(await produceOne(raw, 'orders', 0, 'd')).toMatchObject({ errorCode: 0, baseOffset: 2 })
  expect((await fetchOne(raw, 'orders')).errorCode).toBe(0)
  expect(kafka.bootstrap).toBe(bootstrap)
  await kafka.restore(at, { connections: 'drop' })
  await kafka.close()
  expect(readdirSync(join(dir, '..'))).toEqual(['log'])
  const again = await startBroker({ dir })
  expect(values(again)).toEqual(['a', 'b'])
})

test('a reset goes back to what was in the folder, and a fork is a broker in memory', async () => {
  const dir = folder()
  const first = await startBroker({ dir, topics: { orders: 1 } })
  first.topic('orders').append({ value: 'of before' })
  await first.close()
  const kafka = await startBroker({ dir, topics: { own: 1 } })
  kafka.topic('orders').append({ value: 'of the test' })
  const fork = await kafka.fork()
  fork.topic('orders').append({ value: 'of the fork' })
  await kafka.reset()
  expect([values(kafka), kafka.topic('own').partitions]).toEqual([['of before'], 1])
  expect(values(fork)).toEqual(['of before', 'of the test', 'of the fork'])
  await kafka.restore(await fork.checkpoint())
  expect(values(kafka)).toEqual(['of before', 'of the test', 'of the fork'])
})

test('consumers and producers of kafkajs go on over resets in a folder', async () => {
  const kafka = await startBroker({ dir: folder(), topics: { orders: 1 } })
  const app = new Kafka({ clientId: 'app', brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 50, initialRetryTime: 20 } })
  const consumer = app.consumer({ groupId: 'billing', maxWaitTimeInMs: 50 })
  const producer = app.producer({ idempotent: true })
  const seen: string[] = []
  await Promise.all([consumer.connect(), producer.connect()])
  onTestFinished(() => Promise.all([consumer.disconnect(), producer.disconnect()]).then(() => {}))
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
  for (const value of ['one', 'two', 'three']) {
    await kafka.group('billing').ready({ timeout: '20s' })
    await producer.send({ topic: 'orders', messages: [{ value }] })
    await kafka.until(() => (seen.includes(value) ? true : undefined), `${value} did not come`, 20_000)
    await kafka.reset()
  }
  expect(values(kafka)).toEqual([])
}, 60_000)

test('a link to a folder stays one, and leads to what was gone back to', async () => {
  const link = folder()
  const target = folder()
  mkdirSync(target)
  symlinkSync(target, link, 'junction')
  const kafka = await startBroker({ dir: link, topics: { orders: 1 } })
  kafka.topic('orders').append({ value: 'gone' })
  await kafka.reset()
  kafka.topic('orders').append({ value: 'new' })
  await kafka.close()
  expect([lstatSync(link).isSymbolicLink(), readdirSync(join(link, '..')), readdirSync(join(target, '..'))]).toEqual([true, ['log'], ['log']])
  expect(values(await startBroker({ dir: target }))).toEqual(['new'])
})

test('a folder that the test has open as well is left as it is', async () => {
  const dir = folder()
  const kafka = await startBroker({ dir, topics: { orders: 1 } })
  const at = await kafka.checkpoint()
  kafka.topic('orders').append({ value: 'kept' })
  const other = await CommitLog.open(dir)
  const error: unknown = await kafka.restore(at).catch((reason: unknown) => reason)
  expect(isLogError(error, 'LOG_LOCKED')).toBe(true)
  await other.close()
  expect(values(kafka)).toEqual(['kept'])
})
