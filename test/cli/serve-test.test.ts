/*
 * `commitlog serve --test`: what it prints, what it takes, and how it ends. What can be asked of its control API is in test/testing/sidecar.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { metadata } from '../../src/kafka/apis/03-metadata.ts'
import { RawClient } from '../kafka/harness.ts'
import { ask } from '../testing/sidecar/harness.ts'
import { commitlog, type Ran } from '../tools/command.ts'

const json = { 'content-type': 'application/json' }

interface Served {
  readonly ready: string
  readonly stdin: PassThrough
  /** Ends it as Ctrl-C does. */
  stop(): Promise<Ran>
  readonly ran: Promise<Ran>
}

async function serving(...words: string[]): Promise<Served> {
  const ending = new AbortController()
  const stdin = new PassThrough()
  let ran!: Promise<Ran>
  const ready = await new Promise<string>((resolve, reject) => {
    ran = commitlog(['serve', '--test', ...words], { signal: ending.signal, onOutput: resolve, input: stdin })
    ran.then(({ err }) => reject(new Error(`it ended: ${err}`)), reject)
  })
  const stop = (): Promise<Ran> => {
    ending.abort(new Error('Ctrl-C'))
    return ran
  }
  onTestFinished(async () => void await stop())
  return { ready: ready.trimEnd(), stdin, stop, ran }
}

test('prints where clients and tests find it, and ends with Ctrl-C', async () => {
  const served = await serving('--json', '--topic', 'orders:3', '--brokers', '2', '--seed', '7', '--clock', 'virtual', '--strict')
  const line = JSON.parse(served.ready) as { bootstrap: string; control: string; brokers: { port: number }[] }
  expect(line).toMatchObject({ type: 'listening', control: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), seed: 7 })
  const client = await RawClient.connect(line.brokers[1]!.port)
  const { topics } = await client.request(metadata, 12, { topics: [{ name: 'orders' }] })
  expect(topics[0]!.partitions).toHaveLength(3)
  expect((await ask(`${line.control}/clock`, {})).body).toMatchObject({ mode: 'virtual' })
  expect((await ask(`${line.control}/strict`, {})).body).toMatchObject({ enabled: true })
  expect((await ask(`${line.control}/openapi.json`, {})).body.info.version).toMatch(/^\d+\.\d+\.\d+/)
  expect(await served.stop()).toMatchObject({ code: 0, err: '' })
  await expect(ask(`${line.control}/health`, {})).rejects.toThrow('ECONNREFUSED')

  expect((await serving('--no-auto-create')).ready).toMatch(/^listening on 127\.0\.0\.1:\d+, controlled at http:\/\/127\.0\.0\.1:\d+$/)
})

test('ends when its stdin does, if it is told so', async () => {
  const served = await serving('--until-stdin-ends')
  served.stdin.end()
  expect(await served.ran).toMatchObject({ code: 0, err: '' })
})

test('a fault that never happened fails it in the end', async () => {
  const served = await serving('--json')
  const { control } = JSON.parse(served.ready) as { control: string }
  const fault = { api: 'Fetch', actions: [{ type: 'close' }] }
  expect((await ask(`${control}/faults`, { method: 'POST', headers: json, content: JSON.stringify(fault) })).status).toBe(201)
  expect(await served.stop()).toMatchObject({ code: 1, err: 'a fault never happened:\n  Fetch → close (no request fitted) (LOG_FAULT_UNFIRED)\n' })
})

test('with a folder it keeps what it is told', async () => {
  const root = mkdtempSync(join(tmpdir(), 'commitlog-serve-test-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const data = join(root, 'data')
  const served = await serving(data, '--json', '--topic', 'orders')
  const { control } = JSON.parse(served.ready) as { control: string }
  await ask(`${control}/topics/orders/records`, { method: 'POST', headers: json, content: '{"records":[{"value":"kept"}]}' })
  await served.stop()
  expect((await commitlog(['tail', data, 'orders', '--json'])).lines).toHaveLength(1)
})

test('it begins with records of a file', async () => {
  const root = mkdtempSync(join(tmpdir(), 'commitlog-serve-from-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const path = join(root, 'orders.ndjson')
  writeFileSync(path, '{"topic":"orders","key":"o-1","value":{"total":12}}\n')
  const { control } = JSON.parse((await serving('--json', '--from', path)).ready) as { control: string }
  expect((await ask(`${control}/topics/orders/records`, {})).body.records).toMatchObject([{ key: 'o-1', value: { total: 12 } }])
})

test('a mistake in how it is called is a line and code 2', async () => {
  for (const [words, complaint] of [
    [['--control', '0'], '--control is for --test'],
    [['data', '--clock', 'virtual'], '--clock is for --test'],
    [['--test', '--durability', 'os'], '--durability is not for --test'],
    [['--test', '--verbose'], '--verbose is not for --test'],
    [['--test', '--control', '70000'], '--control takes a port up to 65535'],
    [['--test', '--clock', 'fake'], '--clock is one of real, virtual, skip'],
    [['--test', '--emulate', '9.9'], 'release "9.9" of Kafka is not known'],
    [['--test', '--timeout', 'soon'], 'timeout is milliseconds'],
    [['--test', '--seed', '99999999999'], 'seed is an integer'],
    [[], '<folder> is missing: commitlog serve <folder>, or commitlog serve --test'],
  ] as const) {
    expect(await commitlog(['serve', ...words])).toMatchObject({ code: 2, err: expect.stringContaining(complaint) })
  }
})

test('a control port in use is told, and leaves no broker behind', async () => {
  const first = JSON.parse((await serving('--json')).ready) as { control: string }
  const { port } = new URL(first.control)
  expect(await commitlog(['serve', '--test', '--control', port])).toMatchObject({
    code: 1, err: `commitlog serve: port ${port} of 127.0.0.1 is in use (LOG_PORT_IN_USE)\n`,
  })
})

test('the help tells of it', async () => {
  const { out } = await commitlog(['serve', '--help'])
  expect(out).toContain('commitlog serve [folder] [options]')
  expect(out).toContain('--control PORT')
})
