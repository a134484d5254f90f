/*
 * What users of a log see when the disk below it fails. The disk is simulated; what recovery makes of it is the log floor's to prove.
 */
import { expect, test } from 'vitest'
import { CommitLog, defineTopic, json, type LogNotice } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { afterwards, collect, failure } from './harness.ts'

const Numbers = defineTopic('numbers', { value: json<number>() })

async function simulated(disk = freshDisk()): Promise<{ disk: SimulatedDisk; log: CommitLog; told: LogNotice[] }> {
  const told: LogNotice[] = []
  const log = await CommitLog.open('/data', { files: disk, onEvent: (event) => told.push(event) })
  // What a crash left of an old process never ends, so nobody waits for it.
  afterwards(() => void log.close().catch(() => {}))
  return { disk, log, told }
}

test('a failed sync fences the partition: sends reject with the cause, reads go on, reopen takes appends again', async () => {
  const { disk, log, told } = await simulated()
  const topic = await log.topic(Numbers)
  await topic.send({ value: 1 })
  const heal = disk.inject({ verb: 'sync', path: '.log', error: 'EIO' })
  const error = await failure(() => topic.send({ value: 2 }))
  expect(error).toMatchObject({ code: 'LOG_FENCED', cause: expect.objectContaining({ code: 'EIO' }) })
  expect(await failure(() => topic.send([{ value: 3 }, { value: 4 }]))).toMatchObject({ code: 'LOG_SEND_FAILED' })
  expect(await failure(() => topic.partition(0).append({ value: 5 }))).toMatchObject({ code: 'LOG_FENCED' })
  expect([...topic.partition(0).read()].map(({ value }) => value)).toEqual([1])
  expect(topic.stats()[0]!.state).toBe('fenced')
  expect(told).toContainEqual(expect.objectContaining({ type: 'fenced', log: '/data', topic: 'numbers', partition: 0 }))
  heal()
  await topic.partition(0).reopen()
  const { offset } = await topic.send({ value: 6 })
  expect(offset).toBeGreaterThan(1)
  expect((await collect(topic.consumer({ until: 'end' }))).map(({ value }) => value)).toEqual([1, 6])
})

test('a waiting consumer goes on after its partition was fenced and reopened', async () => {
  const { disk, log } = await simulated()
  const topic = await log.topic(Numbers)
  const seen = collect(topic.consumer(), 2)
  await topic.send({ value: 1 })
  const heal = disk.inject({ verb: 'sync', path: '.log', error: 'EIO' })
  await failure(() => topic.send({ value: 2 }))
  heal()
  await topic.partition(0).reopen()
  await topic.send({ value: 3 })
  expect((await seen).map(({ value }) => value)).toEqual([1, 3])
})

test('a log whose process was killed, or whose power was cut, keeps what send said was stored', async () => {
  for (const power of [false, true]) {
    for (let round = 0; round < 10; round++) {
      const { disk, log } = await simulated(new SimulatedDisk({ seed: 100 + round }))
      const topic = await log.topic(Numbers)
      const stored: number[] = []
      const sends = Array.from({ length: 20 }, async (_, value) => {
        await new Promise((resolve) => setImmediate(resolve))
        await topic.send({ value })
        stored.push(value)
      })
      await Promise.race([Promise.all(sends), new Promise((resolve) => setImmediate(() => setImmediate(resolve)))])
      const next = await simulated(disk.crash({ power }))
      const values = (await collect((await next.log.topic(Numbers)).consumer({ until: 'end' }))).map(({ value }) => value)
      expect(values, `seed ${disk.seed}`).toEqual(expect.arrayContaining(stored))
    }
  }
})

test('every call that fails while a log is opened is an error or a log, and leaves nothing open', async () => {
  const { disk: good, log } = await simulated()
  await (await log.topic(Numbers)).send({ value: 1 })
  await log.close()
  let failures = 0
  for (let call = 1; call < 200; call++) {
    const disk = good.fork(call)
    disk.failCall(call)
    let opened: CommitLog | undefined
    try {
      opened = await CommitLog.open('/data', { files: disk })
      await opened.topic(Numbers)
      await opened.close()
    } catch (error) {
      failures++
      expect(error).toMatchObject({ code: expect.stringMatching(/^LOG_/) })
      await opened?.close().catch(() => {})
    }
    expect(disk.openHandles, `call ${call}`).toBe(0)
    disk.heal()
    const again = await CommitLog.open('/data', { files: disk })
    expect((await collect((await again.topic(Numbers)).consumer({ until: 'end' }))).map(({ value }) => value), `call ${call}`).toEqual([1])
    await again.close()
  }
  expect(failures).toBeGreaterThan(10)
})

test('a crash at any moment while a log and its topics are made leaves a log that opens, with all that was acknowledged', async () => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  const left: { readonly disk: SimulatedDisk; readonly acknowledged: number; readonly power: boolean }[] = []
  let acknowledged = 0
  const disk: SimulatedDisk = new SimulatedDisk({
    seed,
    onCall: (call, running) => {
      if (running !== disk) return       // forks tell of their calls too
      const power = call.number % 3 !== 0
      left.push({ disk: running.fork(seed + call.number, { power }), acknowledged, power })
    },
  })
  const { log } = await simulated(disk)
  const topic = await log.topic('t', { partitions: 2 })
  await topic.send([{ value: 0, partition: 0 }, { value: 1, partition: 1 }])
  acknowledged = 2
  await log.topic('t', { partitions: 3 })
  await topic.send({ value: 2, partition: 2 })
  acknowledged = 3
  await log.close()
  expect(left.length).toBeGreaterThan(100)
  for (const [number, { disk: after, acknowledged: promised, power }] of left.entries()) {
    const what = `seed ${seed}, call ${number}, ${power ? 'power cut' : 'killed'}`
    const opened = await CommitLog.open('/data', { files: after })
    const again = await opened.topic('t', { partitions: 3 })
    const values = (await collect(again.consumer({ until: 'end' }))).map(({ value }) => value as number).sort()
    expect(values.slice(0, promised), what).toEqual([0, 1, 2].slice(0, promised))
    expect(values, what).toEqual([...new Set(values)].filter((value) => [0, 1, 2].includes(value)))
    await again.send({ value: 'more', partition: 1 })
    await opened.close()
  }
})

const taken = 'leaves nothing, here and for the next open, and is made later'
for (const error of ['EMFILE', 'ENOSPC', 'EIO']) test(`a topic that cannot be made for ${error} ${taken}`, async () => {
  const partitions = 40
  const definition = defineTopic('many', { partitions, value: json<number>(), retentionMs: 1000 })
  // Three files are opened for each partition, and one for the catalog. Alone, or with all that come after it.
  const failing = [1, 2, 5, 30, 80, 119, 120, 121].flatMap((nth) => [{ nth, times: 1 }, ...(nth < 121 ? [{ nth }] : [])])
  for (const { nth, ...times } of failing) {
    const { disk, log } = await simulated()
    await log.topic(Numbers)
    const names = disk.listSync('/data')
    const heal = disk.inject({ verb: 'open', error, nth, ...times })
    const told = await failure(() => log.topic(definition))
    expect(told, `open ${nth}`).toBeInstanceOf(Error)
    if (error === 'EMFILE' && nth < 121) {
      expect(told).toMatchObject({ code: 'LOG_TOO_MANY_FILES', detail: { topic: 'many', partition: expect.any(Number) } })
      expect((told as Error).message).toMatch(/partition \d+ of topic "many"/)
    }
    heal()
    expect(disk.listSync('/data'), `open ${nth}`).toEqual(names)
    expect((await log.topics()).map(({ name }) => name)).toEqual(['numbers'])
    const next = await CommitLog.open('/data', { files: disk.fork(nth) })
    expect((await next.topics()).map(({ name }) => name)).toEqual(['numbers'])
    await next.close()
    await (await log.topic(definition)).send({ value: 1 })
    const last = await CommitLog.open('/data', { files: disk.fork(nth) })
    expect((await last.topics())[1]).toMatchObject({ name: 'many', partitions, value: 'json', settings: { retentionMs: 1000 } })
    expect((await collect((await last.topic(definition)).consumer({ until: 'end' }))).map(({ value }) => value)).toEqual([1])
    await last.close()
  }
})

test('many partitions are made, opened and closed with little more than a descriptor for each', async () => {
  const partitions = 200
  const disk = freshDisk({ maxOpenFiles: partitions + 80 })
  const first = await CommitLog.open('/data', { files: disk })
  await first.topic('many', { partitions })
  await first.close()
  const again = await CommitLog.open('/data', { files: disk })
  const topic = await again.topic<string, number>('many')
  await topic.send(Array.from({ length: partitions }, (_, partition) => ({ partition, value: partition })))
  await again.close()
  expect(disk.openHandles).toBe(0)
})

test('a disk too full for the checkpoints of Kafka does not fail a close: there are none then, and no stale ones', async () => {
  const names = ['.kafka_cleanshutdown', 'recovery-point-offset-checkpoint', 'replication-offset-checkpoint']
  const kept = [[], names.slice(1), names.slice(2), names.slice(1, 2)]
  for (const [number, path] of [undefined, ...names].entries()) {
    const { disk, log } = await simulated()
    await (await log.topic(Numbers)).send({ value: 1 })
    await log.close()
    expect(disk.listSync('/data')).toEqual(expect.arrayContaining(names))
    const again = await CommitLog.open('/data', { files: disk })
    await (await again.topic(Numbers)).send({ value: 2 })
    for (const name of path === undefined ? names : [path]) disk.inject({ verb: 'write', path: `${name}.tmp`, error: 'ENOSPC' })
    await again.close()
    disk.heal()
    expect(disk.listSync('/data').filter((name) => names.some((known) => name.startsWith(known))), path).toEqual(kept[number])
    const last = await CommitLog.open('/data', { files: disk.crash({ power: true }) })
    expect((await collect((await last.topic(Numbers)).consumer({ until: 'end' }))).map(({ value }) => value)).toEqual([1, 2])
    await last.close()
  }
})

test('checkpoints of Kafka that can neither be written nor removed fail a close', async () => {
  const { disk, log } = await simulated()
  await (await log.topic(Numbers)).send({ value: 1 })
  await log.close()
  const again = await CommitLog.open('/data', { files: disk })
  await (await again.topic(Numbers)).send({ value: 2 })
  disk.inject({ verb: 'write', path: 'checkpoint.tmp', error: 'ENOSPC' })
  disk.inject({ verb: 'remove', path: 'checkpoint', error: 'EIO' })
  expect(await failure(() => again.close())).toMatchObject({ code: 'LOG_IO' })
})
