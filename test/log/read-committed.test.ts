import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ProducerBatch } from '../../src/log/producer-rules.ts'
import { ProducerState } from '../../src/log/producer-state.ts'
import { CommittedFilter } from '../../src/log/read-committed.ts'
import { TxnIndex, collectAborted } from '../../src/log/txn-index.ts'

describe('a batch', () => {
  const filter = new CommittedFilter([
    { producerId: 7n, firstOffset: 10, lastOffset: 20, lastStableOffset: 21 },
    { producerId: 7n, firstOffset: 30, lastOffset: 40, lastStableOffset: 41 },
  ])

  for (const [what, batch, decision] of [
    ['of an aborted transaction is passed over', { baseOffset: 10 }, 'skip'],
    ['at its end too', { baseOffset: 19 }, 'skip'],
    ['of the transaction between is given', { baseOffset: 25 }, 'deliver'],
    ['of the next aborted one is passed over', { baseOffset: 39 }, 'skip'],
    ['before all is given', { baseOffset: 9 }, 'deliver'],
    ['behind all is given', { baseOffset: 41 }, 'deliver'],
    ['of another producer is given', { baseOffset: 15, producerId: 8n }, 'deliver'],
    ['outside a transaction is given', { baseOffset: 15, transactional: false }, 'deliver'],
    ['without a producer id is given', { baseOffset: 15, producerId: -1n, transactional: false }, 'deliver'],
    ['of control is never given', { baseOffset: 50, control: true }, 'skip'],
  ] as const) {
    test(what, () => expect(filter.decide({ producerId: 7n, transactional: true, control: false, ...batch })).toBe(decision))
  }

  test('of control is never given, whatever was aborted', () => {
    expect(new CommittedFilter([]).decide({ baseOffset: 0, producerId: -1n, transactional: false, control: true })).toBe('skip')
  })
})

interface Written extends ProducerBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly marker: 'COMMIT' | 'ABORT' | undefined
}

test('a read of any part gives the batches of no aborted transaction and all others: as the truth says, and as a Kafka consumer does', () => {
  const step = fc.record({
    producerId: fc.integer({ min: 1, max: 4 }),
    what: fc.constantFrom('data', 'data', 'data', 'plain', 'COMMIT', 'ABORT', 'roll'),
    count: fc.integer({ min: 1, max: 5 }),
  })
  const run = fc.record({
    steps: fc.array(step, { maxLength: 120, size: 'max' }),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    to: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(run, ({ steps, from, to }) => {
      const { batches, indexes, stable } = history(steps)
      const first = Math.floor(from * stable)
      const end = first + Math.ceil(to * (stable - first))
      const holder = indexes.findLastIndex((index) => index.baseOffset <= first)
      const aborted = collectAborted(indexes.slice(Math.max(0, holder)), first, end)
      const read = batches.filter((batch) => batch.lastOffset >= first && batch.baseOffset < end)

      const filter = new CommittedFilter(aborted)
      const given = read.filter((batch) => filter.decide(batch) === 'deliver').map((batch) => batch.baseOffset)
      expect(given).toEqual(read.filter((batch) => !batch.control && !wasAborted(batch, batches)).map((batch) => batch.baseOffset))
      expect(given).toEqual(kafkaConsumer(read, aborted).map((batch) => batch.baseOffset))
    }),
    { numRuns: 300 },
  )
})

/** A log of interleaved transactions, its transaction indexes by segment, and its last stable offset. */
function history(steps: readonly { producerId: number; what: string; count: number }[]) {
  const state = new ProducerState()
  const batches: Written[] = []
  const indexes = [new TxnIndex(0)]
  let nextOffset = 0
  for (const { producerId, what, count } of steps) {
    if (what === 'roll') indexes.push(new TxnIndex(nextOffset))
    else {
      const marker = what === 'COMMIT' || what === 'ABORT' ? what : undefined
      const baseOffset = nextOffset
      const batch: Written = {
        producerId: BigInt(what === 'plain' ? -1 : producerId),
        producerEpoch: 0,
        baseSequence: -1,
        lastOffsetDelta: marker === undefined ? count - 1 : 0,
        transactional: what !== 'plain',
        control: marker !== undefined,
        maxTimestamp: 0,
        baseOffset,
        lastOffset: baseOffset + (marker === undefined ? count - 1 : 0),
        marker,
      }
      batches.push(batch)
      nextOffset = batch.lastOffset + 1
      const ended = state.replay(batch, marker && { type: marker, coordinatorEpoch: 0 })
      if (ended?.aborted === true) indexes.at(-1)!.append(ended)
    }
  }
  state.onHighWatermark(nextOffset)
  return { batches, indexes, stable: state.lastStableOffset(nextOffset) }
}

function wasAborted(batch: Written, all: readonly Written[]): boolean {
  const end = all.find((one) => one.baseOffset > batch.baseOffset && one.producerId === batch.producerId && one.control)
  return batch.transactional && end?.marker === 'ABORT'
}

/** What Kafka's consumer does with producer ids and first offsets: it meets transactions as they begin and markers as they end. */
function kafkaConsumer(read: readonly Written[], aborted: readonly { producerId: bigint; firstOffset: number }[]): Written[] {
  const waiting = aborted.toSorted((one, other) => one.firstOffset - other.firstOffset)
  const open = new Set<bigint>()
  return read.filter((batch) => {
    while (waiting.length > 0 && waiting[0]!.firstOffset <= batch.lastOffset) open.add(waiting.shift()!.producerId)
    if (batch.marker === 'ABORT') open.delete(batch.producerId)
    return !batch.control && !(batch.transactional && open.has(batch.producerId))
  })
}
