/*
 * Whatever a caller or a machine gets wrong at the public door is one clear error, and nothing is lost by it: the log that was there before
 * is there afterwards, byte by byte where it was not opened, and takes appends where it was.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytes, CommitLog, defineTopic, isLogError, json, string, type Topic } from '../../src/index.ts'
import { crc32c } from '../../src/base/crc32c.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { LogWorkshop } from './log-children.ts'
import { collect, diskLog, failure, freshFolder, memoryLog } from './harness.ts'

const Texts = defineTopic('texts', { partitions: 2, key: string, value: string })

async function values(topic: Topic<string, string>): Promise<unknown[]> {
  return (await collect(topic.consumer({ until: 'end' }))).map(({ value }) => value).sort()
}

/** A folder with a log that was closed. */
async function goodFolder(name?: string): Promise<string> {
  const folder = freshFolder(name)
  const log = await diskLog(folder)
  await (await log.topic(Texts)).send([{ key: 'a', value: 'one' }, { key: 'b', value: 'two' }, { key: 'c', value: 'three' }])
  await log.close()
  return folder
}

/** Every file and what is in it. */
function contents(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return Object.fromEntries(entries.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return [path, entry.isFile() ? readFileSync(path).toString('base64') : 'no file']
  }))
}

// Calls ----------------------------------------------------------------------------------------------------------------------------------

test('a call with a wrong argument is a TypeError or RangeError in words, and the log goes on', async () => {
  const folder = freshFolder()
  const log = await diskLog(folder)
  const topic = await log.topic(Texts)
  const partition = topic.partition(0)
  const wrong = undefined as never
  const record = { key: 'k', value: 'v', partition: 0 }
  const calls: readonly (readonly [call: () => unknown, message: RegExp])[] = [
    [() => CommitLog.open(wrong), /takes the path of a folder, not undefined/],
    [() => CommitLog.open('a\0b'), /takes the path of a folder, not the string "a\\u0000b"/],
    [() => CommitLog.open(folder, null as never), /the options for CommitLog.open are an object, not null/],
    [() => CommitLog.open(folder, 'os' as never), /are an object, not the string "os"/],
    [() => CommitLog.open(folder, { readonly: true } as never), /did you mean "readOnly"\?/],
    [() => CommitLog.open(folder, { files: 'disk' as never }), /files of CommitLog.open is an object, not the string "disk"/],
    [() => CommitLog.open(folder, { readOnly: 1 as never }), /readOnly is true or false, not the number 1/],
    [() => CommitLog.open(folder, { onEvent: {} as never }), /onEvent is a function, not an object/],
    [() => CommitLog.open(folder, { segmentBytes: 13 }), /segmentBytes of CommitLog.open is an integer from 14 to 2147483647, not 13/],
    [() => CommitLog.memory(null as never), /the options for CommitLog.memory are an object, not null/],
    [() => log.topic(wrong), /topic takes a name or what defineTopic gives, not undefined/],
    [() => log.topic({} as never), /topic takes a name or what defineTopic gives, not an object/],
    [() => log.topic({ name: 't', settings: {} } as never), /topic takes a name or what defineTopic gives, not an object/],
    [() => log.topic(''), /a topic needs a name/],
    [() => log.topic('..'), /"\.\." is not a topic name/],
    [() => log.topic('a/b'), /"a\/b" is not a topic name/],
    [() => log.topic('x'.repeat(250)), /a topic name has at most 249 characters, this one 250/],
    [() => log.topic('t', null as never), /the options for a topic are an object, not null/],
    [() => log.topic('t', { creat: true } as never), /unknown option "creat"/],
    [() => log.topic(Texts, { partitions: 3 } as never), /unknown option "partitions" for topic "texts", which is defined already/],
    [() => log.topic('t', { create: 'no' as never }), /create is true or false, not the string "no"/],
    [() => topic.partition(2), /there is no partition 2: topic "texts" has 2/],
    [() => topic.producer({ batchSize: 5 } as never), /unknown option "batchSize" for a producer of topic "texts"/],
    [() => topic.producer({ partitioner: 1 as never }), /partitioner of a producer of topic "texts" is a function, not the number 1/],
    [() => topic.consumer(null as never), /the options for a consumer of topic "texts" are an object, not null/],
    [() => topic.send(wrong), /a record is \{ key, value, headers, timestamp, partition \}, not undefined/],
    [() => topic.send({ key: 'k' } as never), /a record has a value; null says that the key is gone/],
    [() => topic.send({ ...record, key: 5 as never }), /the codec "string" takes a string, not the number 5/],
    [() => topic.send({ ...record, partition: -1 }), /partition is an integer of at least 0, not -1/],
    [() => topic.send({ ...record, timestamp: 'now' as never }), /a timestamp is a whole number of milliseconds/],
    [() => topic.send({ ...record, timestamp: 2 ** 53 }), /a timestamp is a whole number of milliseconds/],
    [() => topic.send({ ...record, headers: 5 as never }), /headers are a list of pairs or an object, not the number 5/],
    [() => topic.send({ ...record, headers: null as never }), /headers are a list of pairs or an object, not null/],
    [() => topic.send({ ...record, headers: ['trace'] as never }), /a header is a pair of a name and a value, not the string "trace"/],
    [() => topic.send({ ...record, headers: [['trace']] as never }), /header "trace" is undefined: give a string, a Uint8Array or null/],
    [() => topic.send({ ...record, headers: { trace: 5 } as never }), /header "trace" is the number 5: give a string, a Uint8Array or null/],
    [() => topic.send(record, null as never), /the options for send are an object, not null/],
    [() => topic.send(record, { timeout: 5 } as never), /unknown option "timeout" for send/],
    [() => log.transaction((tx) => tx.send('orders' as never, record)), /sends to a topic, as log.topic gives it, not the string "orders"/],
    [() => log.transaction((tx) => tx.commitOffsets(topic as never, [])), /commitOffsets takes a consumer that is a member of a group, or the name/],
    [() => log.transaction((tx) => tx.commitOffsets(topic.consumer({ group: 'own' }))), /commits by itself: make it with autoCommit: false/],
    [() => topic.consumer({ groupId: 'g' } as never), /unknown option "groupId" for a consumer of topic "texts": did you mean "group"\?/],
    [() => topic.consumer({ group: wrong }), /group of a consumer of topic "texts" is a name, not undefined/],
    [() => topic.consume({ group: 'g' }, wrong), /the handler of consume of topic "texts" is a function, not undefined/],
    [() => partition.append(null as never), /a record is \{ key, value, headers, timestamp \}, not null/],
    [() => partition.durable(wrong), /offset is an integer, not null/],
    [() => partition.durable(NaN), /offset is an integer of at least -1, not NaN/],
    [() => partition.durable('0' as never), /offset is an integer, not the string "0"/],
    [() => partition.durable(1000), /offset 1000 was not appended: the next one is/],
    [() => partition.read(null as never), /the options for read are an object, not null/],
    [() => partition.read({ from: 0.5 }), /from is an offset, a whole number from 0 on, not 0.5/],
    [() => partition.truncate(-1), /offset is an integer of at least 0, not -1/],
    [() => partition.offsetForTimestamp('today' as never), /timestamp is an integer, not the string "today"/],
    [() => defineTopic('t', { retention: 5 } as never), /unknown option "retention" for topic "t": did you mean "retentionMs"\?/],
    [() => json(5 as never), /takes a schema of a library that implements Standard Schema v1, not the number 5/],
  ]
  for (const [call, message] of calls) {
    const error = await failure(call)
    expect(error, String(call)).toSatisfy((thrown) => thrown instanceof TypeError || thrown instanceof RangeError)
    expect(error, String(call)).not.toHaveProperty('code')
    expect(error.message).toMatch(message)
  }
  expect(await topic.send(record)).toMatchObject({ partition: 0, offset: 0 })
  await log.close()
  expect(await values(await (await diskLog(folder)).topic(Texts))).toEqual(['v'])
})

test('keys, values and headers above the limit are LOG_RECORD_TOO_LARGE with place and sizes, and those beside them are stored', async () => {
  const topic = await (await memoryLog()).topic('t', { key: bytes, value: bytes, maxMessageBytes: 1000 })
  const large = Buffer.alloc(1000)
  const small = Buffer.alloc(10)
  const partition = topic.partition(0)
  for (const record of [{ key: large, value: small }, { value: large }, { value: small, headers: [['h', large]] as const }]) {
    partition.append({ value: small })                    // in the same batch
    for (const call of [() => topic.send(record), () => partition.append(record)]) {
      const error = await failure(call)
      expect(error).toMatchObject({ code: 'LOG_RECORD_TOO_LARGE', detail: { topic: 't', partition: 0, limit: 1000 } })
      expect(error.detail!['size']).toBeGreaterThan(1000)
      expect(error.message).toMatch(/^a record of \d+ bytes with its batch header for t-0, maxMessageBytes is 1000: raise it for the topic$/)
    }
    partition.append({ value: small })
  }
  await topic.flush()
  expect([...partition.read()].map(({ offset, value }) => [offset, value!.length])).toEqual([0, 1, 2, 3, 4, 5].map((offset) => [offset, 10]))
  // The largest that fits, to the byte.
  const overhead = (await failure(() => topic.send({ value: large }))).detail!['size'] as number - large.length
  await topic.send({ value: Buffer.alloc(1000 - overhead) })
  expect(await failure(() => topic.send({ value: Buffer.alloc(1001 - overhead) }))).toMatchObject({ code: 'LOG_RECORD_TOO_LARGE' })
})

test('an offset that is not kept is LOG_OFFSET_OUT_OF_RANGE with what is kept, from every door', async () => {
  const topic = await (await memoryLog()).topic(Texts)
  const partition = topic.partition(0)
  await topic.send({ value: 'v', partition: 0 })
  for (const call of [
    () => partition.read({ from: 2 }), () => topic.consumer({ partitions: [0], from: 2 }), () => topic.consumer().seek(0, 2),
    () => topic.consumer({ from: new Map([[0, 2]]) }),
  ]) {
    expect(await failure(call)).toMatchObject({
      code: 'LOG_OFFSET_OUT_OF_RANGE', message: 'offset 2 is outside texts-0: kept are 0..0', detail: { offset: 2, start: 0, end: 1 },
    })
  }
})

// Folders --------------------------------------------------------------------------------------------------------------------------------

/** Gives a JSON or binary file of ours another version, with a right checksum. */
function newer(path: string): void {
  if (path.endsWith('.json')) return writeFileSync(path, readFileSync(path, 'utf8').replace('"version": "1.0"', '"version": "2.0"'))
  const mark = readFileSync(path)
  mark.writeInt32BE(mark.readInt32BE(8) + 1, 8)
  mark.writeUInt32BE(crc32c(mark, 0, 60), 60)
  writeFileSync(path, mark)
}

const segments = (folder: string): string[] => ['texts-0', 'texts-1'].map((name) => join(folder, name, '00000000000000000000.log'))

const spoiled: readonly { readonly what: string; readonly code: string; readonly spoil: (folder: string) => void; readonly at?: string }[] = [
  { what: 'a catalog of a newer version', code: 'LOG_VERSION_UNSUPPORTED', spoil: (folder) => newer(join(folder, 'commitlog.json')) },
  { what: 'a mark of a newer version', code: 'LOG_VERSION_UNSUPPORTED', spoil: (folder) => newer(join(folder, 'mark-a')) },
  { what: 'a mark of a newer version beside it', code: 'LOG_VERSION_UNSUPPORTED', spoil: (folder) => newer(join(folder, 'mark-b')) },
  { what: 'ids of a newer version', code: 'LOG_VERSION_UNSUPPORTED', spoil: (folder) => {
    const path = join(folder, 'meta.properties')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^version=.*$/m, 'version=9'))
  } },
  { what: 'half a catalog', code: 'LOG_FILE_CORRUPT', spoil: (folder) => truncateSync(join(folder, 'commitlog.json'), 100) },
  { what: 'an empty catalog', code: 'LOG_FILE_CORRUPT', spoil: (folder) => truncateSync(join(folder, 'commitlog.json'), 0) },
  { what: 'a partition missing', code: 'LOG_CORRUPT', spoil: (folder) => rmSync(join(folder, 'texts-1'), { recursive: true }) },
  { what: 'a file in place of a partition', code: 'LOG_CORRUPT', spoil: (folder) => {
    rmSync(join(folder, 'texts-1'), { recursive: true })
    writeFileSync(join(folder, 'texts-1'), 'hello')
  } },
  { what: 'half of a closed segment', code: 'LOG_CORRUPT', at: 'topic', spoil: (folder) => {
    for (const path of segments(folder)) if (statSync(path).size > 0) truncateSync(path, 40)
  } },
  { what: 'no segment', code: 'LOG_CORRUPT', at: 'topic', spoil: (folder) => {
    for (const path of segments(folder)) rmSync(path)
  } },
]

for (const { what, code, spoil, at } of spoiled) {
  test(`a folder with ${what} is ${code}, and is left as it is`, async () => {
    const folder = await goodFolder()
    const kept = `${folder}-kept`
    cpSync(folder, kept, { recursive: true })
    spoil(folder)
    const before = contents(folder)
    for (const readOnly of [true, false]) {
      const error = await failure(async () => {
        const log = await diskLog(folder, { readOnly })
        if (at === 'topic') await log.topic(Texts).finally(() => log.close())
      })
      expect(error).toMatchObject({ code })
      expect(error.message).toContain(folder)
      // The header of a mark is written at each open, and indexes of no segment are removed.
      const after = contents(folder)
      for (const [path, text] of Object.entries(before)) if (!/\/mark-|index$/.test(path)) expect(after[path], path).toBe(text)
    }
    rmSync(folder, { recursive: true })
    renameSync(kept, folder)
    expect(await values(await (await diskLog(folder)).topic(Texts))).toEqual(['one', 'three', 'two'])
  })
}

test('a log below somebody else\'s file, and in somebody else\'s folder, is LOG_NOT_A_LOG', async () => {
  const file = freshFolder('file')
  writeFileSync(file, 'hello')
  for (const path of [file, join(file, 'below'), join(file, 'below', 'it')]) {
    expect(await failure(() => CommitLog.open(path))).toMatchObject({ code: 'LOG_NOT_A_LOG' })
    // Newer Nodes say of what is below a file that it is not there.
    const { code } = await failure(() => CommitLog.open(path, { readOnly: true }))
    expect(path === file ? ['LOG_NOT_A_LOG'] : ['LOG_NOT_A_LOG', 'LOG_NOT_FOUND']).toContain(code)
  }
  expect(readFileSync(file, 'utf8')).toBe('hello')
  expect(await failure(() => CommitLog.open(join(dirname(file), 'missing'), { readOnly: true }))).toMatchObject({ code: 'LOG_NOT_FOUND' })
  expect(existsSync(join(dirname(file), 'missing'))).toBe(false)
})

for (const name of ['with space', 'ümläut 中文 🚀', 'quote\'s "and" $HOME', '-dash', 'new\nline', '%41', 'a\\b']) {
  test(`the path ${JSON.stringify(name)} is a path like any other`, async () => {
    const folder = await goodFolder(name)
    expect(await values(await (await diskLog(folder)).topic(Texts))).toEqual(['one', 'three', 'two'])
    expect(await values(await (await diskLog(folder, { readOnly: true })).topic(Texts))).toEqual(['one', 'three', 'two'])
  })
}

test('a path or a topic at the limit of its length works, a longer path is LOG_IO with the system\'s reason', async () => {
  const folder = freshFolder('x'.repeat(255))
  const log = await diskLog(folder)
  await (await log.topic('t'.repeat(249))).send({ value: 1 })
  expect(await failure(() => CommitLog.open(freshFolder('x'.repeat(256))))).toMatchObject({ code: 'LOG_IO', cause: { code: 'ENAMETOOLONG' } })
})

// The machine ----------------------------------------------------------------------------------------------------------------------------

test('a disk that turns read-only is LOG_ACCESS_DENIED for who opens, fences who writes, and takes nothing away', async () => {
  const disk = freshDisk()
  const log = await CommitLog.open('/data', { files: disk })
  const topic = await log.topic(Texts)
  await topic.send([{ key: 'a', value: 'one' }, { key: 'b', value: 'two' }])
  const heal = disk.inject({ verb: ['write', 'writeAsync', 'truncate', 'createFolder', 'rename', 'remove', 'lock'], error: 'EROFS' })
  const error = await failure(() => topic.send({ key: 'a', value: 'lost' }))
  expect(error).toMatchObject({ code: 'LOG_FENCED', cause: { code: 'EROFS' } })
  expect(await failure(() => log.topic('new'))).toMatchObject({ code: 'LOG_ACCESS_DENIED', cause: { code: 'EROFS' } })
  expect(await values(topic)).toEqual(['one', 'two'])
  await log.close().catch(() => {})
  expect(await failure(() => CommitLog.open('/data', { files: disk }))).toMatchObject({ code: 'LOG_ACCESS_DENIED', cause: { code: 'EROFS' } })
  expect(await failure(() => CommitLog.open('/other', { files: disk }))).toMatchObject({ code: 'LOG_ACCESS_DENIED' })
  const reader = await CommitLog.open('/data', { files: disk, readOnly: true })
  // Nobody knows how much of a write that failed was stored, and the writer could not cut it away.
  const acknowledged = async (topic: Topic<string, string>) => (await values(topic)).filter((value) => value !== 'lost')
  expect(await acknowledged(await reader.topic(Texts))).toEqual(['one', 'two'])
  await reader.close()
  heal()
  const again = await CommitLog.open('/data', { files: disk.crash({ power: true }) })
  expect(await acknowledged(await again.topic(Texts))).toEqual(['one', 'two'])
  await again.close()
})

test('a disk without descriptors is LOG_TOO_MANY_FILES at whatever call it happens, and takes nothing away', async () => {
  for (let allowed = 0; allowed < 12; allowed++) {
    const disk = freshDisk({ maxOpenFiles: 1000 })
    const log = await CommitLog.open('/data', { files: disk })
    const topic = await log.topic(Texts)
    await topic.send([{ key: 'a', value: 'one' }, { key: 'b', value: 'two' }])
    await log.close()
    disk.inject({ verb: 'open', error: 'EMFILE', nth: allowed + 1 })
    let opened: CommitLog | undefined
    const error = await failure(async () => {
      opened = await CommitLog.open('/data', { files: disk })
      await (await opened.topic(Texts)).send({ key: 'a', value: 'more' })
      await opened.topic('another', { partitions: 20 })
    })
    // A partition that cannot open its file for the first append is fenced, and says why.
    if (isLogError(error, 'LOG_FENCED')) expect(error.message).toContain('EMFILE')
    else expect(error, `${allowed} opens`).toMatchObject({ code: 'LOG_TOO_MANY_FILES', retriable: true })
    disk.heal()
    await opened?.close().catch(() => {})
    const again = await CommitLog.open('/data', { files: disk })
    expect((await values(await again.topic(Texts))).filter((value) => value !== 'more')).toEqual(['one', 'two'])
    await (await again.topic('another', { partitions: 20 })).send({ value: 1 })
    await again.close()
    expect(disk.openHandles).toBe(0)
  }
})

let workshop: LogWorkshop
beforeAll(async () => { workshop = await LogWorkshop.make() })
afterAll(() => workshop.remove())

/** Runs a child without the rights of root, who may write anywhere. */
const unprivileged = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
const canDropRights = process.platform !== 'win32' && (unprivileged.length === 0 || spawnSync(unprivileged[0]!, ['--version']).status === 0)

test.skipIf(!canDropRights)('a folder that may not be written, or not be read, is LOG_ACCESS_DENIED that names it', async () => {
  const folder = await goodFolder()
  const empty = join(dirname(folder), 'empty')
  mkdirSync(empty)
  const before = contents(folder)
  const child = await workshop.start(unprivileged)
  for (const [mode, readOnly] of [[0o500, false], [0o000, false], [0o000, true]] as const) {
    for (const path of [folder, empty]) {
      chmodSync(path, mode)
      const told = child.tell('open', { folder: path, options: { readOnly } })
      await expect(told).rejects.toMatchObject({ code: 'LOG_ACCESS_DENIED', message: expect.stringContaining(path) })
      chmodSync(path, 0o700)
    }
  }
  chmodSync(folder, 0o500)
  await expect(child.tell('open', { folder: join(folder, 'below') })).rejects.toMatchObject({ code: 'LOG_ACCESS_DENIED' })
  await child.open(folder, 'texts', { readOnly: true })       // who only reads needs no more
  await child.tell('close')
  chmodSync(folder, 0o700)
  chmodSync(join(folder, 'texts-0'), 0o500)
  chmodSync(join(folder, 'texts-0', '00000000000000000000.log'), 0o400)
  await child.tell('open', { folder })
  await child.tell('topic', { topic: 'texts' })               // a closed segment is opened for writing with the first append
  const told = { code: 'LOG_FENCED', message: expect.stringContaining('EACCES') }
  await expect(child.tell('send', { topic: 'texts', partition: 0, count: 1 })).rejects.toMatchObject(told)
  await child.tell('close')
  await child.kill()
  chmodSync(join(folder, 'texts-0'), 0o700)
  chmodSync(join(folder, 'texts-0', '00000000000000000000.log'), 0o600)
  for (const [path, text] of Object.entries(before)) if (/\.(?:log|json|index|timeindex)$/.test(path)) expect(contents(folder)[path]).toBe(text)
  expect(await values(await (await diskLog(folder)).topic(Texts))).toEqual(['one', 'three', 'two'])
})

const mounted = (folder: string): string[] => ['unshare', '-rm', 'sh', '-c', 'mount --bind -o ro "$0" "$0" && exec "$@"', folder]
const canMount = process.platform === 'linux' && spawnSync('unshare', ['-rm', 'sh', '-c', 'mount --bind -o ro /tmp /tmp']).status === 0

test.skipIf(!canMount)('a log on a read-only file system is LOG_ACCESS_DENIED, and is read with readOnly', async () => {
  const folder = await goodFolder()
  const before = contents(folder)
  const child = await workshop.start(mounted(folder))
  await expect(child.tell('open', { folder })).rejects.toMatchObject({ code: 'LOG_ACCESS_DENIED', message: expect.stringContaining(folder) })
  await child.open(folder, 'texts', { readOnly: true })
  expect([await child.stats('texts', 0), await child.stats('texts', 1)].reduce((sum, { nextOffset }) => sum + nextOffset, 0)).toBe(3)
  await child.tell('close')
  await child.kill()
  expect(contents(folder)).toEqual(before)
})

const few = 'a process with few descriptors gets LOG_TOO_MANY_FILES for what is too much, and goes on with the rest'
test.skipIf(spawnSync('prlimit', ['--version']).status !== 0)(few, async () => {
  const folder = await goodFolder()
  const child = await workshop.start()
  await child.open(folder, 'texts')
  // When it runs, since Node needs many to begin.
  expect(spawnSync('prlimit', ['--pid', `${child.pid}`, '--nofile=64:64']).status).toBe(0)
  await expect(child.tell('topic', { topic: 'many', partitions: 200 })).rejects.toMatchObject({ code: 'LOG_TOO_MANY_FILES' })
  for (let turn = 0; turn < 3; turn++) await child.tell('send', { topic: 'texts', partition: 0, count: 10 })
  await child.tell('topic', { topic: 'few', partitions: 2 })
  await child.tell('send', { topic: 'few', partition: 1, count: 10 })
  await child.tell('close')
  await child.kill()
  const log = await diskLog(folder)
  expect(await values(await log.topic(Texts))).toHaveLength(33)
  const many = await log.topic('many', { partitions: 200 })
  await many.send({ value: 'all there', partition: 199 })
})
