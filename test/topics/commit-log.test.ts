import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { CommitLog, defineTopic, json, type LogNotice, msgpack, string } from '../../src/index.ts'
import { encodeCatalog, parseCatalog } from '../../src/topics/catalog.ts'
import { collect, diskLog, failure, freshFolder, kinds, memoryLog } from './harness.ts'

const Orders = defineTopic('orders', { partitions: 2, key: string, value: json<{ total: number }>() })

for (const { kind, open } of kinds) {
  test(`${kind}: what is sent is read back, typed, with its place and time`, async () => {
    const orders = await (await open()).topic(Orders)
    const sent = await orders.send({ key: 'o-1', value: { total: 12 }, timestamp: 5000, headers: [['a', '1'], ['b', null], ['a', '2']] })
    expect(sent).toEqual({ partition: expect.any(Number), offset: 0, timestamp: 5000 })
    const [record] = await collect(orders.consumer({ until: 'end' }))
    expect(record).toMatchObject({ topic: 'orders', partition: sent.partition, offset: 0, timestamp: 5000, key: 'o-1', value: { total: 12 } })
    expect(record!.headers).toEqual([['a', Buffer.from('1')], ['b', null], ['a', Buffer.from('2')]])
    expect(record!.header('a')?.toString()).toBe('2')
  })
}

test('a log on disk is there again after it was closed', async () => {
  const folder = freshFolder()
  const first = await diskLog(folder)
  const id = first.clusterId
  await (await first.topic(Orders)).send([{ key: 'a', value: { total: 1 } }, { key: 'b', value: null }])
  await first.close()
  const second = await diskLog(folder)
  expect(second.clusterId).toBe(id)
  const records = await collect((await second.topic(Orders)).consumer({ until: 'end' }))
  expect(records.map(({ key, value }) => [key, value]).sort()).toEqual([['a', { total: 1 }], ['b', null]])
  expect(await second.topics()).toMatchObject([{ name: 'orders', partitions: 2, key: 'string', value: 'json', settings: {} }])
})

test('a path with spaces and other letters is a path', async () => {
  const folder = freshFolder('mé log  中文')
  const log = await diskLog(folder)
  await (await log.topic('t')).send({ value: 1 })
  await log.close()
  expect(await collect((await (await diskLog(folder)).topic('t')).consumer({ until: 'end' }))).toHaveLength(1)
})

test('folders above the log are made', async () => {
  const folder = join(freshFolder(), 'a', 'b')
  await (await diskLog(folder)).topic('t')
  expect(existsSync(join(folder, 't-0'))).toBe(true)
})

// Topics ---------------------------------------------------------------------------------------------------------------------------------

test('a topic is made with one partition, text keys and msgpack values when nothing else is said', async () => {
  const log = await memoryLog()
  const topic = await log.topic('t')
  expect(topic.partitionCount).toBe(1)
  await topic.send({ key: 'k', value: new Map([[1, 2n]]) })
  expect((await collect(topic.consumer({ until: 'end' })))[0]!.value).toEqual(new Map([[1, 2n]]))
  expect(await log.topics()).toMatchObject([{ name: 't', key: 'string', value: 'msgpack' }])
})

test('a topic opened by name alone has the codecs that it was made with', async () => {
  const log = await memoryLog()
  await (await log.topic(Orders)).send({ key: 'k', value: { total: 3 } })
  const again = await log.topic('orders')
  expect((await collect(again.consumer({ until: 'end' })))[0]!.value).toEqual({ total: 3 })
})

test('a topic with a codec of the user cannot be opened without it', async () => {
  const log = await memoryLog()
  const upper = { ...string, name: 'upper' }
  await log.topic('t', { value: upper })
  expect(await failure(() => log.topic('t'))).toMatchObject({ code: 'LOG_TOPIC_MISMATCH', detail: { topic: 't', codec: 'upper', part: 'value' } })
  await log.topic('t', { value: upper })
})

test('another codec and fewer partitions are LOG_TOPIC_MISMATCH', async () => {
  const log = await memoryLog()
  await log.topic(Orders)
  const mismatch = await failure(() => log.topic('orders', { value: msgpack() }))
  expect(mismatch).toMatchObject({
    code: 'LOG_TOPIC_MISMATCH', message: 'the values of topic "orders" are written by the codec "json", not "msgpack"',
  })
  expect(await failure(() => log.topic('orders', { partitions: 1 }))).toMatchObject({
    code: 'LOG_TOPIC_MISMATCH', detail: { partitions: 2, given: 1 }, message: 'topic "orders" has 2 partitions, 1 were asked for',
  })
})

test('more partitions are added, and handles that are open see them', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const before = await log.topic(Orders)
  const sent = await before.send({ key: 'x', value: { total: 1 } })
  const after = await log.topic('orders', { partitions: 4 })
  expect([before.partitionCount, after.partitionCount]).toEqual([4, 4])
  await before.send({ value: { total: 2 }, partition: 3 })
  await log.close()
  const reopened = await (await diskLog(folder)).topic('orders')
  expect(reopened.partitions.map((partition) => partition.nextOffset)).toEqual([0, 1, 2, 3].map((n) => (n === 3 ? 1 : Number(n === sent.partition))))
})

test('create: false opens what is there and makes nothing', async () => {
  const log = await memoryLog()
  expect(await failure(() => log.topic('t', { create: false }))).toMatchObject({ code: 'LOG_NOT_FOUND', detail: { topic: 't' } })
  await log.topic('t')
  await log.topic('t', { create: false })
  const missing = await failure(() => CommitLog.open(freshFolder(), { create: false }))
  expect(missing).toMatchObject({ code: 'LOG_NOT_FOUND' })
})

test('settings of a topic are kept and count when it is opened again', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  await log.topic('t', { segmentBytes: 1000, retentionMs: Infinity, messageTimestampType: 'LogAppendTime' })
  await log.close()
  const again = await diskLog(folder)
  const topic = await again.topic('t')
  expect(topic.settings).toEqual({ segmentBytes: 1000, retentionMs: Infinity, messageTimestampType: 'LogAppendTime' })
  const { timestamp } = await topic.send({ value: Buffer.alloc(600), timestamp: 1 })
  await topic.send({ value: Buffer.alloc(600) })
  expect(topic.stats()[0]!.segments).toBe(2)
  expect(timestamp).toBeGreaterThan(1_000_000)
  expect((await collect(topic.consumer({ until: 'end' })))[0]).toMatchObject({ timestamp, timestampType: 'LogAppendTime' })
})

test('many topics opened at once are all there afterwards', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`)
  await Promise.all([...names, ...names].map((name) => log.topic(name, { partitions: 2 })))
  await log.close()
  expect((await (await diskLog(folder)).topics()).map(({ name }) => name)).toEqual(names)
})

// Sharing and ends -----------------------------------------------------------------------------------------------------------------------

test('a second open of a folder in one process shares the log, which closes with the last handle', async () => {
  const folder = freshFolder()
  const [one, two] = await Promise.all([diskLog(folder), diskLog(join(folder, '..', 'log'))])
  const topic = await two.topic(Orders)
  await (await one.topic(Orders)).send({ key: 'a', value: { total: 1 } })
  expect(await collect(topic.consumer({ until: 'end' }))).toHaveLength(1)
  await one.close()
  expect([one.status, two.status]).toEqual(['closed', 'open'])
  await topic.send({ key: 'a', value: { total: 2 } })
  await two.close()
  expect(readdirSync(folder)).not.toContain('commitlog.lock')
  const three = await diskLog(folder)
  expect(three.stats().clusterId).toBe(one.clusterId)
})

test('readers of one process share the log too, and each closes for itself', async () => {
  const folder = freshFolder()
  const writer = await diskLog(folder)
  await (await writer.topic('t')).send({ value: 1 })
  const [one, two] = [await diskLog(folder, { readOnly: true }), await diskLog(folder, { readOnly: true })]
  await one.topic('t')
  await one.close()
  expect(await collect((await two.topic('t')).consumer({ until: 'end' }))).toHaveLength(1)
  await two.close()
})

test('a folder opened through a symbolic link is shared too', async () => {
  const folder = freshFolder()
  const one = await diskLog(folder)
  const link = join(dirname(folder), 'link')
  symlinkSync(folder, link)
  const two = await diskLog(link, { waitMs: 60_000 })
  await (await one.topic('t')).send({ value: 1 })
  expect(await collect((await two.topic('t')).consumer({ until: 'end' }))).toHaveLength(1)
})

test('a folder opened by two names at the same moment is shared', async () => {
  const folder = freshFolder()
  mkdirSync(folder)
  const link = join(dirname(folder), 'link')
  symlinkSync(folder, link)
  for (const waitMs of [0, 60_000]) {
    const [one, two, three] = await Promise.all([folder, link, folder].map((name) => diskLog(name, { waitMs })))
    await (await one!.topic('t')).send({ value: 1 })
    await one!.close()
    await (await two!.topic('t')).send({ value: 2 })
    await Promise.all([two!.close(), three!.close()])
  }
  expect(await collect((await (await diskLog(link)).topic('t')).consumer({ until: 'end' }))).toHaveLength(4)
})

test('a folder that is just being closed is opened when it is closed', async () => {
  const folder = freshFolder()
  const one = await diskLog(folder)
  await (await one.topic('t')).send({ value: 1 })
  const closing = one.close()
  const two = await diskLog(folder)
  await closing
  expect(await collect((await two.topic('t')).consumer({ until: 'end' }))).toHaveLength(1)
})

test('a shared open with other options is a TypeError, and leaves the log open', async () => {
  const folder = freshFolder()
  const one = await diskLog(folder, { durability: 'os' })
  await diskLog(folder, { durability: 'os' })
  await diskLog(folder)
  const refused = await failure(() => CommitLog.open(folder, { durability: 'sync' }))
  expect(refused).toEqual(new TypeError(`${folder} is open in this process with durability os: it cannot be opened with sync too`))
  await (await one.topic('t')).send({ value: 1 })
})

test('logs in memory are each their own', async () => {
  const [one, two] = await Promise.all([memoryLog(), memoryLog()])
  await one.topic('t')
  expect(await two.topics()).toEqual([])
})

test('after close every call is LOG_CLOSED, and closing again does nothing', async () => {
  const log = await memoryLog()
  const topic = await log.topic('t')
  const producer = topic.producer()
  const partition = topic.partition(0)
  const consumer = topic.consumer()
  expect(log.status).toBe('open')
  const closing = log.close()
  expect(log.status).toBe('closing')
  await closing
  await log.close()
  expect(log.status).toBe('closed')
  for (const call of [
    () => log.topic('t'), () => log.topics(), () => topic.send({ value: 1 }), () => topic.send([{ value: 1 }]), () => producer.send({ value: 1 }),
    () => producer.flush(), () => partition.append({ value: 1 }), () => partition.read(), () => partition.durable(0), () => partition.flush(),
    () => partition.offsetForTimestamp(0), () => partition.roll(), () => partition.truncate(0), () => topic.consumer(), () => topic.producer(),
    () => collect(consumer), () => consumer.seek(0, 0), () => topic.flush(),
  ]) expect(await failure(call)).toMatchObject({ code: 'LOG_CLOSED', message: 'the log /memory is closed' })
})

test('closing waits for what was sent', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const topic = await log.topic('t')
  const sends = Array.from({ length: 100 }, (_, index) => topic.send({ value: index }))
  await log.close()
  expect((await Promise.all(sends)).map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, index) => index))
  expect(await collect((await (await diskLog(folder)).topic('t')).consumer({ until: 'end' }))).toHaveLength(100)
})

test('a topic that is closed ends with its own producers and consumers, and not for others', async () => {
  const log = await memoryLog()
  const [one, two] = [await log.topic('t'), await log.topic('t')]
  await one.close()
  expect(await failure(() => one.send({ value: 1 }))).toMatchObject({ code: 'LOG_CLOSED', message: 'topic "t" is closed' })
  expect(await failure(() => one.partition(0).append({ value: 1 }))).toMatchObject({ code: 'LOG_CLOSED' })
  await two.send({ value: 1 })
})

test('handles are disposed of by await using', async () => {
  const log = await memoryLog()
  await log[Symbol.asyncDispose]()
  expect(log.status).toBe('closed')
})

// Reading along --------------------------------------------------------------------------------------------------------------------------

test('a read-only log sees what a writer of the same folder stores, and changes nothing', async () => {
  const folder = freshFolder()
  const writer = await diskLog(folder)
  const topic = await writer.topic(Orders)
  await topic.send({ key: 'a', value: { total: 1 } })
  const reader = await diskLog(folder, { readOnly: true })
  const along = (await reader.topic(Orders)).consumer()
  const seen = collect(along, 3)
  await topic.send([{ key: 'a', value: { total: 2 } }, { key: 'a', value: { total: 3 } }])
  expect((await seen).map(({ value }) => value?.total)).toEqual([1, 2, 3])
  expect(await failure(async () => (await reader.topic(Orders)).send({ value: null }))).toMatchObject({ code: 'LOG_READ_ONLY' })
  expect(await failure(() => reader.topic('new'))).toMatchObject({ code: 'LOG_NOT_FOUND' })
  await writer.topic('new')
  await reader.topic('new')
})

test('a read-only open leaves every file as it was', async () => {
  const folder = freshFolder()
  const writer = await diskLog(folder)
  await (await writer.topic(Orders)).send({ key: 'a', value: { total: 1 } })
  await writer.close()
  const before = contents(folder)
  const reader = await diskLog(folder, { readOnly: true })
  expect(await collect((await reader.topic(Orders)).consumer({ until: 'end' }))).toHaveLength(1)
  await reader.close()
  expect(contents(folder)).toEqual(before)
})

function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(files.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return [path, readFileSync(path).toString('base64')]
  }))
}

// Bad input ------------------------------------------------------------------------------------------------------------------------------

test('a file is LOG_NOT_A_LOG', async () => {
  const path = freshFolder()
  writeFileSync(path, 'hello')
  expect(await failure(() => CommitLog.open(path))).toMatchObject({ code: 'LOG_NOT_A_LOG', message: `${path} is no folder of a log: it is a file` })
  expect(await failure(() => CommitLog.open(join(path, 'below')))).toMatchObject({ code: 'LOG_NOT_A_LOG' })
})

test('somebody else\'s folder is LOG_NOT_A_LOG, and nothing is put into it', async () => {
  const folder = freshFolder()
  mkdirSync(join(folder, 'part-1'), { recursive: true })
  writeFileSync(join(folder, 'part-1', 'chapter.txt'), 'x')
  writeFileSync(join(folder, 'package.json'), '{}')
  for (const readOnly of [false, true]) {
    expect(await failure(() => CommitLog.open(folder, { readOnly }))).toMatchObject({
      code: 'LOG_NOT_A_LOG', detail: { path: folder, names: ['package.json', 'part-1'] },
    })
  }
  expect(readdirSync(folder).sort()).toEqual(['package.json', 'part-1'])
})

test('an empty folder becomes a log, also with hidden files in it; read-only it is LOG_NOT_FOUND', async () => {
  const folder = freshFolder()
  mkdirSync(folder)
  writeFileSync(join(folder, '.gitkeep'), '')
  expect(await failure(() => CommitLog.open(folder, { readOnly: true }))).toMatchObject({ code: 'LOG_NOT_FOUND' })
  expect(await failure(() => CommitLog.open(folder, { create: false }))).toMatchObject({ code: 'LOG_NOT_FOUND' })
  expect(readdirSync(folder)).not.toContain('commitlog.json')
  await diskLog(folder)
})

test('half a folder is LOG_CORRUPT that names what is missing', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  await log.topic(Orders)
  await log.close()
  rmSync(join(folder, 'orders-1'), { recursive: true })
  expect(await failure(() => CommitLog.open(folder))).toMatchObject({
    code: 'LOG_CORRUPT', message: `the folder orders-1 is missing from ${folder}`,
    detail: { topic: 'orders', partition: 1, reason: 'missing-folder' },
  })
})

test('a log of a newer version is LOG_VERSION_UNSUPPORTED', async () => {
  const folder = freshFolder()
  await (await diskLog(folder)).close()
  const path = join(folder, 'commitlog.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"version": "1.0"', '"version": "2.0"'))
  expect(await failure(() => CommitLog.open(folder))).toMatchObject({ code: 'LOG_VERSION_UNSUPPORTED', detail: { path, version: '2.0' } })
})

test('every flipped bit of the catalog is found', () => {
  const state = {
    clusterId: 'abc', nodeId: 1, createdAt: 1_700_000_000_000,
    topics: [{
      name: 'orders', id: new Uint8Array(16).fill(9), partitions: 3, key: 'string', value: undefined, settings: { retentionMs: Infinity },
      createdAt: 1_700_000_000_001, adopted: true, absent: [1],
    }],
  }
  const good = encodeCatalog(state)
  expect(parseCatalog(good, 'x')).toEqual(state)
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bad = Buffer.from(good)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    let read: unknown
    try {
      read = parseCatalog(bad, 'x')
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^LOG_(FILE_CORRUPT|VERSION_UNSUPPORTED)$/) })
      continue
    }
    expect(read, `bit ${bit & 7} of byte ${bit >> 3}`).toEqual(state)
  }
})

test('wrong paths and options are TypeErrors or RangeErrors that say what is wanted', async () => {
  for (const [call, message] of [
    [() => CommitLog.open('' as string), 'CommitLog.open takes the path of a folder, not the string ""'],
    [() => CommitLog.open(5 as never), 'CommitLog.open takes the path of a folder, not the number 5'],
    [() => CommitLog.open('x', { durabilty: 'os' } as never), 'unknown option "durabilty" for CommitLog.open: did you mean "durability"?'],
    [() => CommitLog.open('x', { durability: 'fsync' as never }),
      'durability of CommitLog.open is one of \'sync\', \'interval\', \'os\', not the string "fsync": did you mean \'sync\'?'],
    [() => CommitLog.open('x', { bufferBytes: 0 }), 'bufferBytes is an integer of at least 1, not 0'],
    [() => CommitLog.open('x', { waitMs: '5' as never }), 'waitMs is an integer, not the string "5"'],
    [() => CommitLog.memory({ readOnly: true } as never), /unknown option "readOnly" for CommitLog.memory/],
  ] as const) {
    const error = await failure(call)
    expect(error).not.toHaveProperty('code')
    expect(error.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
  }
})

test('an aborted signal ends the waiting for the lock', async () => {
  const folder = freshFolder()
  const reason = new Error('enough')
  expect(await failure(() => CommitLog.open(folder, { signal: AbortSignal.abort(reason), waitMs: 1000 }))).toBe(reason)
})

test('what happens in a log is told to onEvent; what the listener throws does not harm the log', async () => {
  const told: LogNotice[] = []
  const folder = freshFolder()
  const log = await diskLog(folder, { onEvent: (event) => told.push(event) })
  await (await log.topic('t')).send({ value: 1 })
  expect(told).toContainEqual({ type: 'sync', log: folder, topic: 't', partition: 0, ms: expect.any(Number) })
  expect(told).toContainEqual({ type: 'round', log: folder, topic: 't', partition: 0, bytes: expect.any(Number), ms: expect.any(Number) })
})

test('a log that is constructed is told to be opened', async () => {
  const construct = (): unknown => Reflect.construct(CommitLog, ['./data'])
  expect(await failure(construct)).toEqual(expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(/CommitLog\.open/) }))
})
