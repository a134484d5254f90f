/*
 * What is not of the event loop alone: work of other threads, which takes no virtual time, and the modules of Node that have timers.
 */
import { createHash, generateKeyPair, pbkdf2, pbkdf2Sync, scrypt } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clearTimeout as clearOwnTimeout, setInterval as ownInterval, setTimeout as ownTimeout } from 'node:timers'
import { scheduler, setImmediate as nextTurn, setInterval as ticks, setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { brotliCompress, createGzip, gunzip, gzip, gzipSync } from 'node:zlib'
import { CompressionTypes, Kafka, logLevel, type SASLOptions } from 'kafkajs'
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { threadWork } from '../../../src/testing/clock/thread-work.ts'
import { explore, type ExploredRun } from '../../../src/testing/index.ts'
import { startBroker } from '../broker/harness.ts'

const temporary = mkdtempSync(join(tmpdir(), 'commitlog-explore-'))
const noise = Buffer.from(seededRandom(1).bytes(700_000))

/** What takes other threads a while, and in which order it ends if nobody sees to it: by chance. */
const works: Readonly<Record<string, () => Promise<unknown>>> = {
  'a file that is compressed': () => promisify(gzip)(noise),
  'a file that is expanded': () => promisify(gunzip)(gzipSync(noise)),
  brotli: () => promisify(brotliCompress)(noise.subarray(0, 50_000)),
  'damage that is found': () => promisify(gunzip)(noise).catch((error: unknown) => error),
  'a stream that is given up': () => new Promise((resolve) => {
    const stream = createGzip()
    stream.on('close', resolve)
    stream.write(noise)
    stream.destroy()
  }),
  'a password by PBKDF2': () => promisify(pbkdf2)('secret', 'salt', 20_000, 32, 'sha256'),
  'a password by scrypt': () => promisify(scrypt)('secret', 'salt', 32),
  'a pair of keys': () => promisify(generateKeyPair)('ec', { namedCurve: 'P-256' }),
  'crypto.subtle': () => crypto.subtle.digest('SHA-256', noise),
  'files that are written and read': async () => {
    await writeFile(join(temporary, 'file'), noise)
    await readFile(join(temporary, 'file'))
  },
  'the address of a name': () => lookup('localhost'),
  'a thousand turns of the event loop': async () => {
    for (let turn = 0; turn < 1000; turn++) await new Promise((resolve) => setImmediate(resolve))
    await nextTurn()
  },
}
for (const [name, work] of Object.entries(works)) {
  test(`${name} takes no virtual time, and is waited for`, async () => {
    let done = 0
    await explore(async () => {
      const began = Date.now()
      setTimeout(() => {}, 60_000)
      await work()
      done++
      expect(Date.now() - began).toBe(0)
    }, { runs: 1, seed: 1 })
    expect(done).toBe(1)
  }, 30_000)
}

test('a producer of kafkajs that compresses sends within no virtual time', async () => {
  expect(await virtualMs((run) => sent(run, CompressionTypes.None))).toBe(0)
  expect(await virtualMs((run) => sent(run, CompressionTypes.GZIP))).toBe(0)
}, 30_000)

test('a client of kafkajs with SCRAM connects within no virtual time', async () => {
  const sasl: SASLOptions = { mechanism: 'scram-sha-256', username: 'a', password: 'b' }
  expect(await virtualMs((run) => connected(run, sasl).then(() => {}), { security: { sasl: { users: { a: 'b' } } } })).toBe(0)
}, 30_000)

test('what several begin at once ends in the same order in every run, however long each takes', async () => {
  const orders = new Set<string>()
  for (let run = 0; run < 20; run++) {
    await explore(async ({ kafka }) => {
      const ended: string[] = []
      const sizes = [700_000, 10, 300_000, 1000, 50_000]
      const compress = async (size: number): Promise<void> => {
        await promisify(gzip)(noise.subarray(0, size))
        ended.push(`gzip ${size}`)
        kafka.topic('orders').append({ value: String(size) })
      }
      const derive = async (rounds: number): Promise<void> => {
        await promisify(pbkdf2)('secret', 'salt', rounds, 32, 'sha256')
        ended.push(`pbkdf2 ${rounds}`)
      }
      pbkdf2Sync('not waited for', 'salt', 1, 32, 'sha256')
      await Promise.all([...sizes.map(compress), derive(20_000), derive(1), ...sizes.map(compress)])
      orders.add(ended.join())
    }, { runs: 1, seed: 1, broker: { topics: { orders: 1 } } })
  }
  expect([...orders]).toHaveLength(1)
}, 60_000)

test('three clients that compress say the same in every run of a schedule', async () => {
  const timelines = new Set<string>()
  for (let time = 0; time < 20; time++) {
    await explore(async (run) => {
      const producers = ['a', 'b', 'c'].map((clientId, index) => sent(run, CompressionTypes.GZIP, { clientId, size: 500_000 >> (3 * index) }))
      await Promise.all(producers)
      const bodies = run.kafka.journal.entries.map(({ requestFrame }) => createHash('sha256').update(requestFrame).digest('hex'))
      timelines.add(`${run.kafka.journal.timeline()}${bodies.join()}`)
    }, { replay: 'seed 5; hold a/Metadata#1 2; hold b/Produce#1 1', broker: { topics: { orders: 1 } } })
  }
  expect([...timelines]).toHaveLength(1)
}, 60_000)

test('somebody who asks for every turn of the event loop holds up nobody for ever', async () => {
  await explore(async (run) => {
    let ended = false
    run.onEnd(() => { ended = true })
    const again = (): void => void (ended || setImmediate(again))
    again()
    await run.sleep('1m')
  }, { runs: 1, seed: 1 })
})

test('turns of the event loop are waited for however many there were before', async () => {
  await explore(async () => {
    setTimeout(() => {}, 60_000)
    for (let round = 0; round < 12; round++) {
      const began = Date.now()
      for (let turn = 0; turn < 1000; turn++) await nextTurn()
      expect(Date.now() - began).toBe(0)
      await sleep(10)
    }
  }, { runs: 1, seed: 1 })
}, 30_000)

test('virtual time of a broker waits for other threads as well', async () => {
  const kafka = await startBroker({ clock: 'virtual' })
  const began = kafka.clock.now()
  await kafka.clock.runUntil(promisify(scrypt)('secret', 'salt', 32))
  expect(kafka.clock.now() - began).toBe(0)
})

test('a stream that outlives a broker holds up none that comes later', async () => {
  const kafka = await startBroker({ clock: 'virtual' })
  const stream = createGzip()
  await kafka.close()
  await new Promise((resolve) => void stream.resume().write(noise, resolve))
  expect(threadWork.underWay).toBe(false)
  stream.destroy()
})

test('timers of node:timers, of its promises, of AbortSignal and of performance are those of the run', async () => {
  const seen: unknown[] = []
  await explore(async () => {
    const began = Date.now()
    const note = (name: string): void => void seen.push([name, Date.now() - began, performance.now()])
    clearOwnTimeout(ownTimeout(() => note('cleared'), 5))
    await new Promise((resolve) => { ownTimeout(resolve, 50) })
    note('node:timers')
    await new Promise((resolve) => {
      const interval = ownInterval(() => {
        clearInterval(interval)
        resolve(undefined)
      }, 25)
    })
    note('an interval')
    expect(await sleep(100, 'slept')).toBe('slept')
    note('sleep')
    await scheduler.wait(200)
    note('wait')
    await scheduler.yield()
    let count = 0
    for await (const value of ticks(10, 'tick')) if (value === 'tick' && ++count === 3) break
    note('ticks')
    await new Promise((resolve) => { AbortSignal.timeout(1000).addEventListener('abort', resolve) })
    note('a signal')
    const reason: unknown = await sleep(60_000, undefined, { signal: AbortSignal.timeout(500) }).catch((error: unknown) => error)
    note('a sleep that is aborted')
    expect(reason).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: { name: 'TimeoutError' } })
    await expect(sleep(1, undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(promisify(setTimeout)).toBe((createRequire(import.meta.url)('node:timers/promises') as typeof import('node:timers/promises')).setTimeout)
  }, { runs: 1, seed: 1 })
  expect(seen).toEqual([
    ['node:timers', 50, 50], ['an interval', 75, 75], ['sleep', 175, 175], ['wait', 375, 375], ['ticks', 405, 405], ['a signal', 1405, 1405],
    ['a sleep that is aborted', 1905, 1905],
  ])
})

test('behind a run the modules are as they were', async () => {
  const before = [ownTimeout, ownInterval, sleep, ticks, nextTurn, AbortSignal.timeout, performance.now, setTimeout, setImmediate, Math.random, Date]
  await explore(() => Promise.resolve(expect(sleep).not.toBe(before[2])), { runs: 1, seed: 1 })
  expect([ownTimeout, ownInterval, sleep, ticks, nextTurn, AbortSignal.timeout, performance.now, setTimeout, setImmediate, Math.random, Date])
    .toEqual(before)
  expect(Object.hasOwn(performance, 'now')).toBe(false)
  await sleep(1)
  rmSync(temporary, { recursive: true })
})

/** How much time of a run passed, in the most of three. */
async function virtualMs(test: (run: ExploredRun) => Promise<void>, broker: object = {}): Promise<number> {
  let most = 0
  await explore(async (run) => {
    const began = Date.now()
    await test(run)
    most = Math.max(most, Date.now() - began)
  }, { runs: 1, seed: 1, broker: { topics: { orders: { partitions: 1, config: { 'max.message.bytes': 5_000_000 } } }, ...broker } })
  return most
}

async function connected(run: ExploredRun, sasl?: SASLOptions, clientId = 'app'): Promise<ReturnType<Kafka['producer']>> {
  const client = new Kafka({
    clientId, brokers: run.kafka.bootstrap.split(','), socketFactory: run.kafka.socketFactory(), logLevel: logLevel.NOTHING, retry: { retries: 0 },
    ...(sasl !== undefined && { sasl }),
  })
  const producer = client.producer()
  run.onEnd(() => producer.disconnect())
  await producer.connect()
  return producer
}

async function sent(run: ExploredRun, compression: CompressionTypes, { clientId = 'app', size = 700_000 } = {}): Promise<void> {
  const producer = await connected(run, undefined, clientId)
  await producer.send({ topic: 'orders', compression, messages: [{ value: noise.subarray(0, size), timestamp: '1700000000000' }] })
}
