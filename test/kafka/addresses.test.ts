/*
 * Where a listener is bound and what clients are told of it, and what its listener prints of itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { CommitLog } from '../../src/index.ts'
import { addressText, isLoopback, isWildcard, plainHost } from '../../src/kafka/addresses.ts'
import { type KafkaListener, listen, type ListenerEvent, type ListenOptions } from '../../src/kafka/index.ts'
import { server } from './certificates.ts'

let log: CommitLog
let kafka: KafkaListener

afterEach(async () => {
  await kafka.close()
  await log.close()
})

async function listening(options: ListenOptions): Promise<ListenerEvent[]> {
  const events: ListenerEvent[] = []
  log = await CommitLog.memory()
  kafka = await listen(log, { ...options, onEvent: (event) => events.push(event) })
  return events
}

test('clients are told the advertised host, whatever is bound', async () => {
  await listening({ host: '0.0.0.0', advertisedHost: 'kafka.test', brokers: 2 })
  const [first, second] = kafka.brokers
  expect(kafka.brokers.map(({ host }) => host)).toEqual(['kafka.test', 'kafka.test'])
  expect(kafka.bootstrap).toBe(`kafka.test:${first!.port},kafka.test:${second!.port}`)
  expect(kafka.bootstrapServers).toEqual([`kafka.test:${first!.port}`, `kafka.test:${second!.port}`])
})

test('an IPv6 address has brackets in front of its port, and none where clients are told it alone', async () => {
  await listening({ host: '127.0.0.1', advertisedHost: '[2001:db8::7]' })
  const [broker] = kafka.brokers
  expect(broker).toMatchObject({ host: '2001:db8::7', listeners: { PLAINTEXT: `[2001:db8::7]:${broker!.port}` } })
  expect(kafka.bootstrap).toBe(`[2001:db8::7]:${broker!.port}`)
})

for (const { what, options, told } of [
  { what: 'every address and nobody is asked who they are', options: { host: '0.0.0.0', advertisedHost: 'x' }, told: true },
  { what: 'every address, and only the listener is named', options: { host: '0.0.0.0', advertisedHost: 'x', tls: server }, told: true },
  { what: 'every address, with SASL', options: { host: '0.0.0.0', advertisedHost: 'x', sasl: { users: { ada: 'lovelace' } } }, told: false },
  { what: 'every address, with an authorizer', options: { host: '0.0.0.0', advertisedHost: 'x', authorizer: true }, told: false },
  { what: 'loopback', options: { brokers: 2 }, told: false },
] as const) test(`what is open to everybody is told as an event: ${what}`, async () => {
  const events = await listening(options)
  const [broker] = kafka.brokers
  const unprotected = { type: 'unprotected', listener: 'tls' in options ? 'SSL' : 'PLAINTEXT', address: `0.0.0.0:${broker!.port}` }
  expect(events).toEqual(told ? [unprotected] : [])
})

test('a listener prints where it is, and nothing of its passwords', async () => {
  await listening({ sasl: { users: { ada: 'lovelace-pw' } } })
  expect(inspect(kafka)).toBe(`KafkaListener { bootstrap: '${kafka.bootstrap}', brokers: 1, connections: 0 }`)
  expect(inspect({ kafka }, { depth: Infinity, showHidden: true })).not.toContain('lovelace-pw')
})

test('a log that is read-only is refused', async () => {
  await listening({})
  const folder = mkdtempSync(join(tmpdir(), 'commitlog-addresses-'))
  await (await CommitLog.open(folder)).close()
  const readOnly = await CommitLog.open(folder, { readOnly: true })
  await expect(listen(readOnly)).rejects.toMatchObject({ code: 'LOG_READ_ONLY', detail: { folder } })
  await readOnly.close()
  rmSync(folder, { recursive: true })
})

test('hosts are told apart and written', () => {
  expect(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '*'].map(isWildcard)).toEqual([true, true, true, true])
  expect(['127.0.0.1', 'localhost', '::1', '10.0.0.1'].map(isWildcard)).toEqual([false, false, false, false])
  expect(['127.0.0.2', 'localhost', '::1'].map(isLoopback)).toEqual([true, true, true])
  expect(['10.0.0.1', 'example.test', '127.example.test'].map(isLoopback)).toEqual([false, false, false])
  expect([addressText('::1', 1), addressText('a', 1), plainHost('[::1]'), plainHost('[a]')]).toEqual(['[::1]:1', 'a:1', '::1', '[a]'])
})
