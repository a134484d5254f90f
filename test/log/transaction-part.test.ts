import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { TransactionPart } from '../../src/log/transaction-part.ts'
import { type Isolation } from '../../src/log/partition-log.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const LONG = 1_000_000

/** A partition on a simulated disk. Rounds end only when they are waited for. */
async function place(config = {}, seed = 1): Promise<Opened & { readonly disk: SimulatedDisk; readonly clock: ManualClock }> {
  const disk = new SimulatedDisk({ seed })
  disk.createFolderSync('/log')
  await disk.syncFolder('/')
  const clock = new ManualClock({ settle: async () => { await disk.runUntilIdle() } })
  return { ...(await openLog(disk, '/log', config, { clock })), disk, clock }
}

const values = ({ log }: Opened, isolation: Isolation = 'read_committed'): (string | null)[] =>
  [...log.read(textCodecs, { isolation })].map(({ value }) => value)

const add = ({ log }: Opened, part: TransactionPart | undefined, ...list: string[]): number[] =>
  list.map((value) => log.append(textCodecs, { key: 'k', value }, LONG, part))

/** Ends it as its owner does: not by COMMIT once it has lost something. */
function end({ log }: Opened, part: TransactionPart, type: 'COMMIT' | 'ABORT'): number {
  if (type === 'COMMIT' && part.lost !== undefined) throw part.lost
  return log.endTransaction({ producerId: part.producerId, producerEpoch: part.producerEpoch + 1, coordinatorEpoch: 0, type })
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (!isLogError(error)) throw error
    return error.code
  }
}

test('records and marker go in one round, and are seen when it is stored', async () => {
  const one = await place()
  const rounds: unknown[] = []
  one.env.emit = (event) => { if (event.type === 'round') rounds.push(event) }
  const part = new TransactionPart(5n, 0)
  expect(add(one, part, 'a', 'b')).toEqual([0, 1])
  const marker = end(one, part, 'COMMIT')
  expect([marker, values(one)]).toEqual([2, []])
  await one.log.durable(marker)
  expect([values(one), rounds.length, one.log.lastStableOffset]).toEqual([['a', 'b'], 1, 3])
  await one.close()
})

test('while it is open, committed readers see nothing of it nor behind it; others see all', async () => {
  const one = await place()
  const part = new TransactionPart(5n, 0)
  add(one, undefined, 'before')
  add(one, part, 'a')
  add(one, undefined, 'after')
  await one.log.flush()
  expect([values(one), values(one, 'read_uncommitted')]).toEqual([['before'], ['before', 'a', 'after']])
  expect([one.log.lastStableOffset, one.log.isTransactionOpen(5n), one.log.openTransactions.length]).toEqual([1, true, 1])
  await one.log.durable(end(one, part, 'ABORT'))
  expect([values(one), values(one, 'read_uncommitted')]).toEqual([['before', 'after'], ['before', 'a', 'after']])
  await one.close()
})

test('one that is decided is seen before its marker is', async () => {
  const one = await place()
  const part = new TransactionPart(5n, 0)
  const other = new TransactionPart(6n, 0)
  add(one, part, 'a')
  add(one, other, 'b')
  add(one, undefined, 'c')
  await one.log.flush()
  one.log.decideTransaction(5n)
  expect([values(one), one.log.lastStableOffset]).toEqual([['a'], 1])
  one.log.decideTransaction(6n)
  expect(values(one)).toEqual(['a', 'b', 'c'])
  end(one, part, 'COMMIT')
  await one.log.durable(end(one, other, 'COMMIT'))
  expect([values(one), one.log.openTransactions]).toEqual([['a', 'b', 'c'], []])
  await one.close()
})

test('records of several transactions and of none may alternate; the same producer goes on in the next epoch', async () => {
  const one = await place({ batchSize: 200 })
  const [x, y] = [new TransactionPart(5n, 0), new TransactionPart(6n, 0)]
  for (let index = 0; index < 20; index++) {
    add(one, x, `x${index}`)
    add(one, index % 3 === 0 ? undefined : y, `y${index}`)
  }
  end(one, x, 'ABORT')
  end(one, y, 'COMMIT')
  const again = new TransactionPart(5n, 1)
  add(one, again, 'again')
  await one.log.durable(end(one, again, 'COMMIT'))
  expect(values(one)).toEqual([...Array.from({ length: 20 }, (_, index) => `y${index}`), 'again'])
  expect(codeOf(() => add(one, new TransactionPart(5n, 1), 'late'))).toBe('LOG_PRODUCER_FENCED')
  await one.close()
})

test('a marker without records shuts a producer\'s older epochs out, once, and also behind a restart', async () => {
  const one = await place()
  const fence = { producerId: 5n, producerEpoch: 2, coordinatorEpoch: 0, type: 'ABORT' } as const
  expect(one.log.endTransaction(fence)).toBe(-1)
  const offset = one.log.endTransaction({ ...fence, fences: true })
  await one.log.durable(offset)
  expect([offset, one.log.endTransaction({ ...fence, fences: true }), one.log.nextOffset]).toEqual([0, -1, 1])
  const again = await openLog(one.disk.fork(1, { power: true }), '/log')
  const records = [{ key: null, value: Buffer.from('v') }]
  const batch = (producerEpoch: number): Buffer => encodeBatch(records, { producerId: 5n, producerEpoch, baseSequence: 0 })
  for (const { log } of [one, again]) {
    expect(codeOf(() => log.appendBatch(batch(1)))).toBe('LOG_PRODUCER_FENCED')
    await log.durable(log.appendBatch(batch(2)).lastOffset)
  }
  await again.close()
  await one.close()
})

test('one that lost records cannot be committed, also when later ones find room; who else appends is not told', async () => {
  const one = await place()
  const part = new TransactionPart(5n, 0)
  add(one, part, 'a')
  await one.log.flush()
  one.disk.inject({ verb: 'write', path: /\.log$/, error: 'ENOSPC', times: 1 })
  add(one, part, 'lost')
  await one.log.flush().catch(() => {})
  await one.clock.advance(2000)
  expect(codeOf(() => add(one, part, 'c'))).toBe('LOG_DISK_FULL')
  add(one, undefined, 'plain')
  expect(codeOf(() => end(one, part, 'COMMIT'))).toBe('LOG_DISK_FULL')
  await one.log.durable(end(one, part, 'ABORT'))
  expect(values(one)).toEqual(['plain'])
  await one.close()
})

test('one whose first records are lost leaves nothing to end', async () => {
  const one = await place()
  const part = new TransactionPart(5n, 0)
  one.disk.inject({ verb: 'write', path: /\.log$/, error: 'ENOSPC', times: 1 })
  add(one, part, 'lost')
  await one.log.flush().catch(() => {})
  await one.clock.advance(2000)
  expect(end(one, part, 'ABORT')).toBe(-1)
  await one.close()
})

test('a fence loses what was not acknowledged: what was may go on after a reopen, the rest may not', async () => {
  const one = await place()
  const [kept, hurt] = [new TransactionPart(5n, 0), new TransactionPart(6n, 0)]
  add(one, kept, 'a')
  add(one, hurt, 'b')
  await one.log.flush()
  one.disk.inject({ verb: 'sync', path: /\.log$/, error: 'EIO', times: 1 })
  add(one, hurt, 'c')
  await one.log.flush().catch(() => {})
  expect(codeOf(() => end(one, kept, 'COMMIT'))).toBe('LOG_FENCED')
  await one.log.reopen()
  expect(codeOf(() => end(one, hurt, 'COMMIT'))).toBe('LOG_FENCED')
  end(one, hurt, 'ABORT')
  add(one, kept, 'd')
  await one.log.durable(end(one, kept, 'COMMIT'))
  expect(values(one)).toEqual(['a', 'd'])
  await one.close()
})

test('a partition that several reopen at once is opened again once', async () => {
  const one = await place()
  one.disk.inject({ verb: 'sync', path: /\.log$/, error: 'EIO', times: 1 })
  add(one, undefined, 'lost')
  await one.log.flush().catch(() => {})
  const reopened = [one.log.reopen(), one.log.reopen()]
  await reopened[0]
  const [offset] = add(one, undefined, 'kept')
  await one.log.flush()
  await reopened[1]
  expect([values(one), offset, one.log.leaderEpoch]).toEqual([['kept'], 1, 1])
  await one.close()
})

test('a cut into it loses it', async () => {
  const one = await place()
  const part = new TransactionPart(5n, 0)
  add(one, part, 'a')
  await one.log.flush()
  add(one, part, 'b')
  await one.log.flush()
  await one.log.truncateTo(1)
  expect(codeOf(() => end(one, part, 'COMMIT'))).toBe('LOG_APPEND_LOST')
  await one.log.durable(end(one, part, 'ABORT'))
  expect(values(one)).toEqual([])
  await one.close()
})
