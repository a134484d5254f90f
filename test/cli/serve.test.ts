/*
 * A folder that is served: what is printed, and how it ends. Clients are in test/kafka and test/interop.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { ca, server } from '../kafka/certificates.ts'
import { RawClient } from '../kafka/harness.ts'
import { plain } from '../kafka/sasl-client.ts'
import { commitlog, type Ran } from '../tools/command.ts'

let root: string
let data: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-serve-'))
  data = join(root, 'data')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

interface Served {
  /** The first line. */
  readonly ready: string
  /** Ends it as Ctrl-C does. */
  stop(): Promise<Ran>
}

async function serving(...words: string[]): Promise<Served> {
  const ending = new AbortController()
  let ran!: Promise<Ran>
  const ready = await new Promise<string>((resolve, reject) => {
    ran = commitlog(['serve', data, '--port', '0', ...words], { signal: ending.signal, onOutput: resolve })
    ran.then(({ err }) => reject(new Error(`it ended: ${err}`)), reject)
  })
  return { ready: ready.trimEnd(), stop: () => { ending.abort(new Error('Ctrl-C')); return ran } }
}

test('prints where it listens, serves the topics that were asked for, and ends with Ctrl-C', async () => {
  const first = await serving('--topic', 'orders:3', '--topic', 'audit')
  expect(first.ready).toMatch(new RegExp(`^listening on localhost:\\d+: 2 topics in ${data}$`))
  expect(await first.stop()).toMatchObject({ code: 0, err: '' })

  const again = await serving('--json', '--brokers', '2', '--node-id', '0', '--topic', 'orders:4', '--no-auto-create')
  const { brokers, ...rest } = JSON.parse(again.ready) as { brokers: { port: number; nodeId: number }[] }
  expect(brokers.map(({ nodeId }) => nodeId)).toEqual([0, 1])
  expect(rest).toMatchObject({ type: 'listening', topics: 2, bootstrap: brokers.map(({ port }) => `localhost:${port}`).join(',') })
  const client = await RawClient.connect(brokers[1]!.port)
  const { topics } = await client.request(metadata, 12, { topics: [{ name: 'orders' }, { name: 'audit' }, { name: 'others' }] })
  expect(topics.map(({ name, errorCode, partitions }) => [name, errorCode, partitions.length])).toEqual([
    ['orders', 0, 4], ['audit', 0, 1], ['others', 3, 0],
  ])
  await again.stop()
})

test('tells of connections when it is asked to, and of peers that speak something else always', async () => {
  const served = await serving('--json', '--verbose')
  const { brokers } = JSON.parse(served.ready) as { brokers: { port: number }[] }
  const client = await RawClient.connect(brokers[0]!.port)
  client.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  await client.closed
  const { lines } = await served.stop()
  expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(['listening', 'connected', 'malformed', 'disconnected'])
})

test('asks for passwords, given as words or in a file, and decides by ACLs', async () => {
  const users = join(root, 'users')
  writeFileSync(users, '# name:password\nbob:a:b\n\n')
  const served = await serving('--json', '--sasl', 'ada:lovelace', '--sasl', `@${users}`, '--acls', 'User:ada', '--topic', 'orders')
  const { brokers } = JSON.parse(served.ready) as { brokers: { port: number; listeners: object }[] }
  expect(Object.keys(brokers[0]!.listeners)).toEqual(['SASL_PLAINTEXT'])
  const seen = async (name: string, password: string): Promise<unknown> => {
    const client = await RawClient.connect(brokers[0]!.port)
    await plain(client, name, password)
    return (await client.request(metadata, 12, { topics: [{ name: 'orders' }] })).topics[0]!.errorCode
  }
  expect(await seen('ada', 'lovelace')).toBe(0)
  expect(await seen('bob', 'a:b')).toBe(29)
  await expect(seen('bob', 'b')).rejects.toThrow('closed')
  const { lines } = await served.stop()
  expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(['listening', 'denied', 'authentication-failed'])
})

test('speaks TLS with the files that it is given, and says which it cannot read', async () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(root, name), text)
    return join(root, name)
  }
  const [cert, key, authority] = [file('server.pem', server.cert), file('server.key', server.key), file('ca.pem', ca)]
  const served = await serving('--json', '--tls', `${cert},${key},${authority}`)
  const { brokers } = JSON.parse(served.ready) as { brokers: { listeners: object }[] }
  expect(Object.keys(brokers[0]!.listeners)).toEqual(['SSL'])
  await served.stop()
  for (const [words, complaint] of [
    [['--tls', cert], '--tls takes CERT,KEY or CERT,KEY,CA'],
    [['--tls', `${cert},${join(root, 'none')}`], 'cannot be read'],
    [['--tls', `${cert},${cert}`], 'key of --tls is a private key in PEM, and this is a certificate'],
    [['--tls', `${key},${cert}`], 'key of --tls is a private key in PEM, and this is a certificate'],
    [['--sasl', 'ada'], '--sasl takes NAME:PASSWORD or @FILE'],
    [['--acls', 'admin'], '--acls takes a principal such as User:admin'],
    [['--acls', 'User:admin'], 'nobody can be User:admin where nobody is asked who they are: --sasl, or --tls with CA, asks'],
    [['--acls', 'User:admin', '--tls', `${cert},${key}`], 'nobody can be User:admin'],
    [['--host', '0.0.0.0'], '--host 0.0.0.0 is every address: say with --advertised-host how clients reach this machine'],
    [['--advertised-host', '::'], '--advertised-host is how clients reach this machine, and :: is every address'],
    [['--set', 'retention.ms=1h'], 'retention.ms is a whole number of milliseconds, or -1 for no limit, not "1h"'],
  ] as const) {
    const { code, err } = await commitlog(['serve', data, '--port', '0', ...words])
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(complaint) })
  }
})

test('topics of the command line delete nothing, those that clients make have Kafka\'s defaults unless it says otherwise', async () => {
  const settings = async (...words: string[]): Promise<unknown> => {
    const served = await serving('--json', '--topic', 'ours', ...words)
    const { brokers } = JSON.parse(served.ready) as { brokers: { port: number }[] }
    const client = await RawClient.connect(brokers[0]!.port)
    await client.request(metadata, 12, { topics: [{ name: 'theirs' }], allowAutoTopicCreation: true })
    await served.stop()
    const { lines } = await commitlog(['topics', data, '--json'])
    rmSync(data, { recursive: true })
    return Object.fromEntries(lines.map((line) => {
      const { topic, settings: its } = JSON.parse(line) as { topic: string; settings: unknown }
      return [topic, its]
    }))
  }
  expect(await settings()).toMatchObject({ ours: {}, theirs: { retentionMs: 604_800_000, segmentBytes: 2 ** 30 } })
  expect(await settings('--set', 'retention.ms=-1', '--set', 'segmentBytes=1048576')).toMatchObject({
    ours: {}, theirs: { retentionMs: 'Infinity', segmentBytes: 2 ** 20 },
  })
})

test('says that everybody may do everything where others than this machine come in', async () => {
  const served = await serving('--host', '0.0.0.0', '--advertised-host', 'localhost')
  expect(served.ready).toMatch(/^listening on localhost:\d+/)
  expect((await served.stop()).err).toMatch(
    /^0\.0\.0\.0:\d+ \(PLAINTEXT\) asks nobody who they are: whoever reaches it may do everything; see --sasl and --tls\n$/,
  )
})

test('a port in use, a port that there is not and a topic without a name are told in a line', async () => {
  const server = createServer()
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  const taken = await commitlog(['serve', data, '--port', String(port)])
  expect(taken).toMatchObject({ code: 1, err: `commitlog serve: port ${port} of 127.0.0.1 is in use (LOG_PORT_IN_USE)\n` })
  server.close()
  expect(await commitlog(['serve', data, '--port', '70000'])).toMatchObject({ code: 2 })
  expect(await commitlog(['serve', data, '--topic', ':3'])).toMatchObject({ code: 2 })
  expect(await commitlog(['serve', data, '--topic', '..', '--port', '0'])).toMatchObject({ code: 2 })
})
