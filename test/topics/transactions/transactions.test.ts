import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { CommitLog, isLogError, type LogOptions, string, type Topic, type TopicSettings } from '../../../src/index.ts'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { type FileSystem } from '../../../src/files/file-system.ts'
import { FIRST_PRODUCER_ID } from '../../../src/topics/producer-ids.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.ts'
import { afterwards, diskLog, failure, memoryLog } from '../harness.ts'

type Texts = Topic<string, string>

async function texts(log: CommitLog, name = 'a', settings: TopicSettings & { readonly partitions?: number } = {}): Promise<Texts> {
  return log.topic(name, { key: string, value: string, ...settings })
}

/** What readers of committed records see. */
function values(topic: Texts, isolation: 'read_committed' | 'read_uncommitted' = 'read_committed'): (string | null)[] {
  return topic.partitions.flatMap((partition) => [...partition.read({ isolation })].map(({ value }) => value))
}

/** Lets what is under way end. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** A log on a simulated disk, with a clock that is moved. */
async function simulated(options: LogOptions = {}, seed = 1): Promise<{ log: CommitLog; disk: SimulatedDisk; clock: ManualClock }> {
  const disk = new SimulatedDisk({ seed })
  const clock = new ManualClock()
  const log = await CommitLog.open('/log', { files: disk, clock, random: seededRandom(seed), ...options })
  afterwards(() => log.close().catch(() => {}))
  return { log, disk, clock }
}

async function opened(files: FileSystem, options: LogOptions = {}): Promise<CommitLog> {
  const log = await CommitLog.open('/log', { files, ...options })
  afterwards(() => log.close().catch(() => {}))
  return log
}

test('a signal ends the waiting for the beginning of a transaction; one that begins behind it is aborted', async () => {
  const { log } = await simulated()
  const topic = await texts(log)
  const giving = new AbortController()
  const beginning = log.beginTransaction({ transactionalId: 'one', signal: giving.signal })
  const gone = new Error('nobody waits any more')
  giving.abort(gone)
  await expect(beginning).rejects.toBe(gone)
  await turns()
  const next = await log.beginTransaction({ transactionalId: 'one' })
  await next.send(topic, { value: 'v' })
  await next.commit()
  expect(values(topic)).toEqual(['v'])
})

test('records of a transaction are seen when it is committed, and what it gives is given', async () => {
  for (const log of [await memoryLog(), await diskLog()]) {
    const topic = await texts(log)
    const result = await log.transaction(async (tx) => {
      const sent = await tx.send(topic, [{ key: 'k', value: 'one' }, { key: 'k', value: 'two' }])
      expect(sent.map(({ partition, offset }) => [partition, offset])).toEqual([[0, 0], [0, 1]])
      expect(values(topic)).toEqual([])
      return 7
    })
    expect([result, values(topic)]).toEqual([7, ['one', 'two']])
  }
})

test('a transaction that throws leaves nothing, and what it threw is thrown', async () => {
  const log = await diskLog()
  const topic = await texts(log)
  const error = await failure(() => log.transaction(async (tx) => {
    await tx.send(topic, { value: 'never' })
    throw new Error('mine')
  }))
  expect(error.message).toBe('mine')
  await topic.send({ value: 'after' })
  expect([values(topic), values(topic, 'read_uncommitted')]).toEqual([['after'], ['never', 'after']])
})

test('over several topics and partitions all of it is seen at once', async () => {
  const log = await diskLog()
  const a = await texts(log, 'a', { partitions: 3 })
  const b = await texts(log, 'b')
  const seen: number[] = []
  const tx = await log.beginTransaction()
  for (let index = 0; index < 12; index++) void tx.send(a, { value: `a${index}`, partition: index % 3 })
  void tx.send(b, { value: 'b' })
  const look = (): void => { seen.push(values(a).length + values(b).length) }
  look()
  const timer = setInterval(look, 0)
  await tx.commit()
  look()
  clearInterval(timer)
  expect([tx.status, seen.at(-1), [...new Set(seen)].every((count) => count === 0 || count === 13)]).toEqual(['committed', 13, true])
  await log.transaction((again) => void again.send(a, { value: 'again', partition: 1 }))
  expect(values(a).length).toBe(13)
})

test('sends that nobody awaits are part of it, and one that fails aborts it', async () => {
  const log = await diskLog()
  const topic = await texts(log, 'a', { maxMessageBytes: 500 })
  await log.transaction((tx) => { for (let index = 0; index < 5; index++) void tx.send(topic, { value: `v${index}` }) })
  expect(values(topic).length).toBe(5)
  const error = await failure(() => log.transaction((tx) => {
    void tx.send(topic, { value: 'small' })
    void tx.send(topic, { value: 'x'.repeat(1000) })
  }))
  expect(error).toMatchObject({ code: 'LOG_TXN_ABORTED', cause: { code: 'LOG_RECORD_TOO_LARGE' } })
  await topic.send({ value: 'end' })
  expect(values(topic).length).toBe(6)
})

test('committed readers stop before an open transaction, and a consumer goes on when it ends', async () => {
  const log = await diskLog()
  const topic = await texts(log)
  const got: (string | null)[] = []
  const controller = new AbortController()
  const reading = (async () => {
    for await (const { value } of topic.consumer({ signal: controller.signal })) if (got.push(value) === 3) break
  })()
  const tx = await log.beginTransaction()
  await topic.send({ value: 'before' })
  await tx.send(topic, { value: 'in' })
  await topic.send({ value: 'behind' })
  expect(topic.partition(0).lastStableOffset).toBeLessThan(topic.partition(0).highWatermark)
  expect(values(topic)).toEqual(['before'])
  await tx.commit()
  await reading
  expect(got).toEqual(['before', 'in', 'behind'])
})

test('an end is an end: nothing can be added, and a second one is told', async () => {
  const log = await memoryLog()
  const topic = await texts(log)
  const committed = await log.beginTransaction()
  await committed.commit()
  expect(await failure(() => committed.commit())).toMatchObject({ code: 'LOG_TXN_STATE_INVALID' })
  expect(await failure(() => committed.abort())).toMatchObject({ code: 'LOG_TXN_STATE_INVALID' })
  expect(await failure(() => committed.send(topic, { value: 'x' }))).toMatchObject({ code: 'LOG_TXN_STATE_INVALID' })
  const aborted = await log.beginTransaction()
  await aborted.abort()
  await aborted.abort()
  expect(await failure(() => aborted.send(topic, { value: 'x' }))).toMatchObject({ code: 'LOG_TXN_ABORTED' })
  expect(await failure(() => aborted.commit())).toMatchObject({ code: 'LOG_TXN_ABORTED' })
  expect(await log.transaction(async (tx) => { await tx.abort(); return 'quiet' })).toBe('quiet')
})

test('one that is open for too long is aborted', async () => {
  const { log, clock } = await simulated()
  const topic = await texts(log)
  const slow = await log.beginTransaction({ timeoutMs: 1000 })
  const slower = await log.beginTransaction({ timeoutMs: 3000 })
  await slow.send(topic, { value: 'slow' })
  await slower.send(topic, { value: 'slower' })
  await clock.advance(999)
  expect(slow.status).toBe('open')
  await clock.advance(2)
  expect([slow.status, slower.status]).toEqual(['aborted', 'open'])
  expect(await failure(() => slow.send(topic, { value: 'late' }))).toMatchObject({ code: 'LOG_TXN_TIMED_OUT' })
  expect(await failure(() => slow.commit())).toMatchObject({ code: 'LOG_TXN_TIMED_OUT' })
  await slower.commit()
  expect(values(topic)).toEqual(['slower'])
  const forever = await log.beginTransaction({ timeoutMs: Infinity })
  await clock.advance(10 * 86_400_000)
  expect(forever.status).toBe('open')
})

test('many go side by side, each whole', async () => {
  const log = await diskLog()
  const topic = await texts(log, 'a', { partitions: 2 })
  await Promise.all(Array.from({ length: 50 }, (_, number) => log.transaction(async (tx) => {
    for (let index = 0; index < 4; index++) {
      await tx.send(topic, { value: `${number}`, partition: number % 3 === 0 ? index % 2 : 0 })
    }
    if (number % 5 === 0) await tx.abort()
  })))
  const counts = new Map<string, number>()
  for (const value of values(topic)) counts.set(value!, (counts.get(value!) ?? 0) + 1)
  expect([counts.size, new Set(counts.values())]).toEqual([40, new Set([4])])
})

test('more than 10,000 at a time are refused', async () => {
  const log = await memoryLog()
  const many = await Promise.all(Array.from({ length: 10_000 }, () => log.beginTransaction()))
  expect(await failure(() => log.beginTransaction())).toMatchObject({ code: 'LOG_TXN_CONCURRENT', retriable: true })
  await many[0]!.abort()
  await (await log.beginTransaction()).abort()
})

test('what is open when the log is closed is aborted, also when only its handle is', async () => {
  const files = new MemoryFileSystem()
  const one = await opened(files)
  const two = await opened(files)
  const topic = await texts(two)
  const [mine, other] = [await one.beginTransaction(), await two.beginTransaction()]
  await mine.send(await texts(one), { value: 'mine' })
  await other.send(topic, { value: 'other' })
  await one.close()
  expect(await failure(() => mine.commit())).toMatchObject({ code: 'LOG_CLOSED' })
  await other.commit()
  expect(values(topic)).toEqual(['other'])
  const open = await two.beginTransaction()
  await open.send(topic, { value: 'open' })
  await two.close()
  expect(open.status).toBe('aborted')
  const again = await opened(files)
  const reopened = await texts(again)
  expect([values(reopened), reopened.partition(0).lastStableOffset]).toEqual([['other'], reopened.partition(0).highWatermark])
})

test('topics of other logs and of the log itself are refused, and so is misuse', async () => {
  const log = await memoryLog()
  const foreign = await texts(await memoryLog())
  const tx = await log.beginTransaction()
  await expect(tx.send(foreign, { value: 'x' })).rejects.toThrow(TypeError)
  const pair = await texts(log, 'pair', { partitions: 2 })
  await log.transaction((both) => void both.send(pair, [{ value: 'x', partition: 0 }, { value: 'y', partition: 1 }]))
  const states = await log.topic('__transaction_state')
  await expect((await log.beginTransaction()).send(states, { value: 'x' })).rejects.toMatchObject({ code: 'LOG_TOPIC_INTERNAL' })
  await expect(log.beginTransaction({ timeoutMs: 0 })).rejects.toThrow(RangeError)
  await expect(log.beginTransaction({ transactionalId: '' })).rejects.toThrow(TypeError)
  await expect(log.transaction(undefined as never)).rejects.toThrow(TypeError)
})

test('when a partition is fenced, what is in it is aborted, and the log goes on once it is opened again', async () => {
  const { log, disk } = await simulated()
  const a = await texts(log, 'a')
  const b = await texts(log, 'b')
  const tx = await log.beginTransaction()
  await tx.send(a, { value: 'a' })
  await tx.send(b, { value: 'b' })
  await b.flush()
  disk.inject({ verb: 'sync', path: /a-0.*\.log$/, error: 'EIO', times: 1 })
  expect(await failure(() => tx.commit())).toMatchObject({ code: 'LOG_TXN_ABORTED', cause: { code: 'LOG_FENCED' } })
  await a.partition(0).reopen()
  await log.transaction(async (next) => {
    await next.send(a, { value: 'next' })
    await next.send(b, { value: 'next' })
  })
  expect([values(a), values(b)]).toEqual([['next'], ['next']])
})

test('an abort that a fenced partition cannot store is stored when it is opened again', async () => {
  const { log, disk } = await simulated()
  const a = await texts(log, 'a')
  const tx = await log.beginTransaction()
  await tx.send(a, { value: 'kept for now' })
  await a.flush()
  disk.inject({ verb: 'sync', path: /a-0.*\.log$/, error: 'EIO', times: 1 })
  await failure(() => a.send({ value: 'lost' }))
  await tx.abort()
  expect(a.partition(0).lastStableOffset).toBe(0)
  await a.partition(0).reopen()
  await turns()
  await a.send({ value: 'after' })
  expect([a.partition(0).lastStableOffset, values(a)]).toEqual([a.partition(0).highWatermark, ['after']])
})

test('a full disk aborts it, and the next one goes when there is room', async () => {
  const { log, disk, clock } = await simulated()
  const a = await texts(log, 'a')
  disk.inject({ verb: 'write', path: /a-0.*\.log$/, error: 'ENOSPC', times: 1 })
  const error = await failure(() => log.transaction((tx) => void tx.send(a, { value: 'no room' })))
  expect(error).toMatchObject({ code: 'LOG_TXN_ABORTED', retriable: true, cause: { code: 'LOG_DISK_FULL' } })
  await clock.advance(2000)
  await log.transaction((tx) => void tx.send(a, { value: 'room' }))
  expect(values(a)).toEqual(['room'])
})

test('a commit whose PrepareCommit may or may not be stored counts nowhere, and is taken back before anything is aborted', async () => {
  const { log, disk } = await simulated()
  const [a, b] = [await texts(log, 'a'), await texts(log, 'b')]
  const both = async (value: string): Promise<void> => log.transaction(async (tx) => {
    await tx.send(a, { value })
    await tx.send(b, { value })
  })
  await both('first')
  await turns()
  disk.inject({ verb: 'sync', path: /__transaction_state-0.*\.log$/, error: 'EIO', times: 1 })
  expect(await failure(() => both('second'))).toMatchObject({ code: 'LOG_TXN_ABORTED' })
  await turns()
  await both('third')
  expect([values(a), values(b)]).toEqual([['first', 'third'], ['first', 'third']])
})

test('appends beyond what may wait go on when there is room', async () => {
  const log = await diskLog(undefined, { bufferBytes: 20_000 })
  const topic = await texts(log, 'a', { batchSize: 2000 })
  const tx = await log.beginTransaction()
  const sends = Array.from({ length: 30 }, (_, number) => tx.send(topic, Array.from({ length: 10 }, () => ({ value: `${number}`.repeat(200) }))))
  const offsets = (await Promise.all(sends)).flat().map(({ offset }) => offset)
  expect(offsets).toEqual([...offsets].sort((one, other) => one - other))
  await tx.commit()
  expect(values(topic).length).toBe(300)
})

test('a crash in the middle of one leaves nothing of it, and its producer is fenced', async () => {
  const { log, disk } = await simulated()
  const a = await texts(log, 'a', { partitions: 2 })
  const tx = await log.beginTransaction()
  await tx.send(a, [{ value: 'x', partition: 0 }, { value: 'y', partition: 1 }])
  await a.flush()
  const next = await opened(disk.fork(5, { power: true }))
  const b = await texts(next, 'a')
  await b.send({ value: 'z', partition: 0 })
  expect([values(b), values(b, 'read_uncommitted')]).toEqual([['z'], ['x', 'z', 'y']])
  await next.transaction(async (again) => { await again.send(b, [{ value: 'x', partition: 0 }, { value: 'y', partition: 1 }]) })
  expect(values(b)).toEqual(['z', 'x', 'y'])
})

test('producer ids are never given out twice, whatever crashes', async () => {
  const seen = new Set<bigint>()
  const { log, disk } = await simulated()
  let files: SimulatedDisk = disk
  let current = log
  for (let round = 0; round < 4; round++) {
    const topic = await texts(current)
    await current.transaction((tx) => void tx.send(topic, { value: `${round}` }))
    for (const id of new Set([...topic.partition(0)['log'].producers].map(({ producerId }) => producerId))) {
      expect([round, id, seen.has(id)]).toEqual([round, id, round > 0 && id < FIRST_PRODUCER_ID + BigInt(round) * 1000n])
      seen.add(id)
    }
    files = files.fork(round, { power: true })
    current = await opened(files)
  }
  expect([...seen]).toEqual([0n, 1000n, 2000n, 3000n].map((id) => FIRST_PRODUCER_ID + id))
})

test('isLogError narrows what a transaction fails with', async () => {
  const log = await memoryLog()
  const tx = await log.beginTransaction()
  await tx.abort()
  expect(isLogError(await failure(() => tx.commit()), 'LOG_TXN_ABORTED')).toBe(true)
})

test('a transaction is whole or not at all for whoever reads after a crash, though the next writer opens none of its topics', async () => {
  const left: SimulatedDisk[] = []
  let watched = false
  const disk: SimulatedDisk = new SimulatedDisk({
    seed: 1, onCall: (call, running) => { if (watched && running === disk) left.push(running.fork(call.number, { power: call.number % 2 === 0 })) },
  })
  const log = await opened(disk)
  const [one, two] = [await texts(log, 'one'), await texts(log, 'two')]
  watched = true
  await log.transaction(async (tx) => {
    await tx.send(one, { value: 'in one' })
    await tx.send(two, { value: 'in two' })
  })
  await Promise.all([one.send({ value: 'behind' }), two.send({ value: 'behind' })])
  const outcomes = new Set<string>()
  for (const crashed of left) {
    await (await CommitLog.open('/log', { files: crashed })).close()
    const reader = await opened(crashed, { readOnly: true })
    const seen = [values(await texts(reader, 'one')).includes('in one'), values(await texts(reader, 'two')).includes('in two')]
    expect(seen[0]).toBe(seen[1])
    outcomes.add(String(seen[0]))
    await reader.close()
  }
  expect(outcomes).toEqual(new Set(['true', 'false']))
})

test('what nobody awaits is done before the commit, however long it waits for room', async () => {
  for (const log of [await memoryLog({ bufferBytes: 20_000 }), (await simulated({ bufferBytes: 20_000 })).log]) {
    const [one, many] = [await texts(log, 'one', { partitions: 2 }), await texts(log, 'many')]
    const record = { value: 'x'.repeat(1000) }
    await log.transaction(async (tx) => { for (let sent = 0; sent < 200; sent++) void tx.send(one, record) })
    await log.transaction(async (tx) => void tx.send(many, Array.from({ length: 200 }, () => record)))
    expect([values(one).length, values(many).length]).toEqual([200, 200])
    // Others fill the buffer: nothing of the transaction is stored when it is to be committed.
    const others = Array.from({ length: 100 }, () => one.send(record))
    await log.transaction(async (tx) => void tx.send(many, record))
    await Promise.all(others)
    expect(values(many)).toHaveLength(201)
  }
})

test('offsets that nobody awaits are committed with it, and those that cannot be abort it', async () => {
  const log = await diskLog()
  const [from, to] = [await texts(log, 'from', { partitions: 3 }), await texts(log, 'to')]
  await from.send(Array.from({ length: 10 }, (_, index) => ({ key: `k${index}`, value: `v${index}` })))
  const consumer = from.consumer({ group: 'g', autoCommit: false, until: 'end' })
  for await (const batch of consumer.batches()) {
    await log.transaction(async (tx) => {
      for (const { value } of batch) void tx.send(to, { value: value! })
      void tx.commitOffsets(consumer, batch)
    })
  }
  expect(values(to)).toHaveLength(10)
  expect((await log.groups.lag('g')).map(({ lag }) => lag)).toEqual([0, 0, 0])
  const again = from.consumer({ group: 'g', autoCommit: false })
  for await (const record of from.consumer({ from: 'earliest' })) {
    const error = await failure(() => log.transaction(async (tx) => {
      void tx.send(to, { value: 'never' })
      void tx.commitOffsets(again, { partition: record.partition, offset: 99 })
    }))
    expect(isLogError(error)).toBe(true)
    break
  }
  await again.close()
  expect(values(to)).toHaveLength(10)
})

test('each transaction has its own time, whatever those before it had', async () => {
  const { log, clock } = await simulated()
  const topic = await texts(log)
  const long = await log.beginTransaction({ timeoutMs: 3_600_000 })
  await long.send(topic, { value: 'long' })
  await long.commit()
  const short = await log.beginTransaction({ timeoutMs: 1000 })
  await short.send(topic, { value: 'short' })
  await clock.advance(1000)
  expect(short.status).toBe('aborted')
  expect(await failure(() => short.commit())).toMatchObject({ code: 'LOG_TXN_TIMED_OUT' })
  // The event loop stood still: its timer has not fired yet.
  const held = await log.beginTransaction({ timeoutMs: 1000 })
  await held.send(topic, { value: 'held' })
  clock.stall(2000)
  expect(await failure(() => held.commit())).toMatchObject({ code: 'LOG_TXN_TIMED_OUT' })
  expect(values(topic)).toEqual(['long'])
})
