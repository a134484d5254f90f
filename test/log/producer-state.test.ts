import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { type EndTransactionMarker } from '../../src/format/control.ts'
import { type ProducerSnapshotEntry } from '../../src/format/producer-snapshot.ts'
import { type AppendOrigin, MAX_SEQUENCE, type ProducerBatch, RETAINED_BATCHES, sequenceAfter } from '../../src/log/producer-rules.ts'
import { ProducerState } from '../../src/log/producer-state.ts'

const never = { now: 0, expirationMs: Infinity }

/** One record of producer 1, epoch 0, outside a transaction, unless told otherwise. */
function batch(sequence: number, fields: Partial<Omit<ProducerBatch, 'producerId'>> & { producerId?: number; count?: number } = {}): ProducerBatch {
  const { producerId = 1, count = 1, ...rest } = fields
  return {
    producerId: BigInt(producerId),
    producerEpoch: 0,
    baseSequence: sequence,
    lastOffsetDelta: count - 1,
    transactional: false,
    control: false,
    maxTimestamp: 1_000,
    ...rest,
  }
}

/** A partition that appends one batch after the other and stores each at once, unless asked to hold them. */
class Appender {
  readonly state = new ProducerState()
  nextOffset = 0

  append(one: ProducerBatch, options: { origin?: AppendOrigin; marker?: EndTransactionMarker; at?: number; hold?: boolean } = {}) {
    const baseOffset = options.at ?? this.nextOffset
    const checked = this.state.prepare(one, baseOffset, options.origin ?? 'client', options.marker)
    if (checked.kind === 'duplicate') return { checked, ended: [] }
    this.nextOffset = baseOffset + one.lastOffsetDelta + 1
    return { checked, ended: options.hold ? [] : this.state.commit(this.nextOffset) }
  }

  end(type: 'COMMIT' | 'ABORT', options: { producerId?: number; epoch?: number; coordinatorEpoch?: number; at?: number } = {}) {
    const marker = batch(-1, { producerId: options.producerId ?? 1, producerEpoch: options.epoch ?? 0, transactional: true, control: true })
    const where = options.at === undefined ? {} : { at: options.at }
    return this.append(marker, { origin: 'coordinator', marker: { type, coordinatorEpoch: options.coordinatorEpoch ?? 0 }, ...where }).ended
  }
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

describe('sequences', () => {
  test('each batch continues the one before: again or with a gap is refused', () => {
    const log = new Appender()
    log.append(batch(0, { count: 3 }))
    expect(codeOf(() => log.append(batch(4)))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(codeOf(() => log.append(batch(2)))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.append(batch(3)).checked.kind).toBe('append')
  })

  test('an unknown producer may begin with any sequence', () => {
    const log = new Appender()
    expect(log.append(batch(17, { producerEpoch: 4, transactional: true })).checked.kind).toBe('append')
    expect(log.append(batch(18, { producerEpoch: 4, transactional: true })).checked.kind).toBe('append')
  })

  test('a new epoch begins with 0, and the old one is fenced', () => {
    const log = new Appender()
    log.append(batch(0))
    expect(codeOf(() => log.append(batch(1, { producerEpoch: 1 })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    log.append(batch(0, { producerEpoch: 1 }))
    expect(codeOf(() => log.append(batch(1)))).toBe('LOG_PRODUCER_FENCED')
    expect(codeOf(() => log.append(batch(0)))).toBe('LOG_PRODUCER_FENCED')
    expect(log.append(batch(1, { producerEpoch: 1 })).checked.kind).toBe('append')
  })

  test('2147483647 is followed by 0', () => {
    const log = new Appender()
    log.append(batch(MAX_SEQUENCE))
    expect(codeOf(() => log.append(batch(1)))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.append(batch(0)).checked.kind).toBe('append')
  })

  test('a batch may wrap inside, is known when it comes again, and the next continues it', () => {
    const log = new Appender()
    log.append(batch(MAX_SEQUENCE - 1, { count: 5 }))
    expect(log.state.snapshot()[0]).toMatchObject({ lastSequence: 2, offsetDelta: 4, lastOffset: 4 })
    expect(log.append(batch(MAX_SEQUENCE - 1, { count: 5 })).checked).toMatchObject({ kind: 'duplicate', baseOffset: 0, lastOffset: 4 })
    expect(log.append(batch(3)).checked.kind).toBe('append')
  })

  test('what a log holds is taken in whatever its sequences', () => {
    const state = new ProducerState()
    for (const [baseOffset, sequence] of [[0, 5], [1, 9], [2, 9], [3, 2]] as const) state.replay({ ...batch(sequence), baseOffset })
    expect(state.snapshot()[0]).toMatchObject({ lastSequence: 2, lastOffset: 3 })
    state.replay({ ...batch(0, { producerEpoch: 3 }), baseOffset: 4 })
    state.replay({ ...batch(8, { producerEpoch: 2 }), baseOffset: 5 })
    expect(state.snapshot()[0]).toMatchObject({ epoch: 2, lastSequence: 8 })
  })

  test('a coordinator is asked for its epoch and not for its sequence', () => {
    const log = new Appender()
    log.append(batch(0, { producerEpoch: 3, transactional: true }), { origin: 'coordinator' })
    log.append(batch(0, { producerEpoch: 3, transactional: true }), { origin: 'coordinator' })
    log.append(batch(99, { producerEpoch: 3, transactional: true }), { origin: 'coordinator' })
    expect(codeOf(() => log.append(batch(0, { producerEpoch: 2, transactional: true }), { origin: 'coordinator' }))).toBe('LOG_PRODUCER_FENCED')
  })

  test('batches without a producer id change nothing but the end', () => {
    const log = new Appender()
    log.append(batch(-1, { producerId: -1, count: 7 }))
    expect([log.state.used, log.state.endOffset]).toEqual([false, 7])
    log.state.replay({ ...batch(0, { producerId: -1 }), baseOffset: 9 })
    expect(log.state.endOffset).toBe(10)
  })

  test('answers are those that a Kafka broker gave to the same batches', () => {
    const log = new Appender()
    const a = (sequence: number, count: number, epoch = 0) => batch(sequence, { producerId: 3021, count, producerEpoch: epoch })
    for (const [one, answer] of [
      [a(2147483640, 4), 0], // the first of an unknown producer
      [a(2147483644, 7), 4], // wraps to 2
      [a(3, 2), 11],
      [a(3, 2), 11], // again
      [a(2147483644, 7), 4], // the one before again
      [a(9, 1), 'LOG_SEQUENCE_OUT_OF_ORDER'],
      [a(4, 3), 'LOG_SEQUENCE_OUT_OF_ORDER'],
      [batch(17, { producerId: 3022 }), 13],
      [a(5, 1, 1), 'LOG_SEQUENCE_OUT_OF_ORDER'],
      [a(0, 2, 1), 14],
      [a(5, 1), 'LOG_PRODUCER_FENCED'],
    ] as const) {
      const baseOffset = log.nextOffset
      let got: unknown
      const code = codeOf(() => (got = log.append(one).checked))
      expect(code ?? (got as { baseOffset?: number }).baseOffset ?? baseOffset).toBe(answer)
    }
    expect(log.nextOffset).toBe(16)
  })

  for (const [sequence, delta, sum] of [[0, 0, 0], [5, 3, 8], [MAX_SEQUENCE, 1, 0], [MAX_SEQUENCE - 1, 5, 3], [-1, 4, -1]] as const) {
    test(`${delta} after ${sequence} comes ${sum}`, () => expect(sequenceAfter(sequence, delta)).toBe(sum))
  }
})

describe('a batch sent again', () => {
  test('is known while it is one of the last five, and tells where it was written', () => {
    const log = new Appender()
    for (let at = 0; at < 7; at++) log.append(batch(at * 2, { count: 2, maxTimestamp: 1_000 + at }))
    for (let at = 2; at < 7; at++) {
      const told = { kind: 'duplicate', baseOffset: at * 2, lastOffset: at * 2 + 1, timestamp: 1_000 + at }
      expect(log.append(batch(at * 2, { count: 2 })).checked).toEqual(told)
    }
    expect(codeOf(() => log.append(batch(2, { count: 2 })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.nextOffset).toBe(14)
  })

  for (const [what, sequence, count] of [['begins inside', 3, 2], ['ends inside', 1, 2], ['holds more', 2, 3], ['holds less', 2, 1]] as const) {
    test(`is another batch when it ${what}`, () => {
      const log = new Appender()
      log.append(batch(0, { count: 2 }))
      log.append(batch(2, { count: 2 }))
      expect(codeOf(() => log.append(batch(sequence, { count })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    })
  }

  test('is known before it is stored, and unknown when it was lost', () => {
    const log = new Appender()
    log.append(batch(0), { hold: true })
    log.append(batch(1), { hold: true })
    expect(log.append(batch(0)).checked).toMatchObject({ kind: 'duplicate', baseOffset: 0 })
    expect(codeOf(() => log.append(batch(3)))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    log.state.rollback()
    expect(log.append(batch(0), { hold: true }).checked.kind).toBe('append')
  })

  test('is that of its epoch, and one of an older epoch is fenced', () => {
    const log = new Appender()
    log.append(batch(0))
    log.append(batch(0, { producerEpoch: 1 }))
    expect(log.append(batch(0, { producerEpoch: 1 })).checked).toMatchObject({ kind: 'duplicate', baseOffset: 1 })
    expect(codeOf(() => log.append(batch(0)))).toBe('LOG_PRODUCER_FENCED')
  })
})

describe('pending batches', () => {
  test('a check changes nothing, and what is prepared counts only when it is stored', () => {
    const log = new Appender()
    log.state.check(batch(0), 0, 'client')
    expect(log.state.used).toBe(false)
    log.append(batch(0, { transactional: true }), { hold: true })
    expect([log.state.producer(1n), log.state.ongoingCount, log.state.used]).toEqual([undefined, 0, true])
    log.state.commit(1)
    expect([log.state.producer(1n)?.currentTxnFirstOffset, log.state.ongoingCount]).toEqual([0, 1])
  })

  test('a part of them may be stored and the rest lost', () => {
    const log = new Appender()
    for (let at = 0; at < 4; at++) log.append(batch(at), { hold: true })
    log.state.commit(2)
    log.state.rollback()
    expect(log.state.snapshot()[0]).toMatchObject({ lastSequence: 1, lastOffset: 1 })
    expect(log.state.endOffset).toBe(2)
    expect(log.append(batch(2), { at: 10 }).checked.kind).toBe('append')
  })

  test('only those from an offset on may be lost', () => {
    const log = new Appender()
    for (let at = 0; at < 4; at++) log.append(batch(at), { hold: true })
    log.state.rollback(2)
    expect(codeOf(() => log.append(batch(4)))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.append(batch(2), { at: 2, hold: true }).checked.kind).toBe('append')
    log.state.commit(3)
    expect(log.state.snapshot()[0]).toMatchObject({ lastSequence: 2, lastOffset: 2 })
  })

  test('a batch that is only half below the stored end stays pending', () => {
    const log = new Appender()
    log.append(batch(0, { count: 4 }), { hold: true })
    log.state.commit(3)
    expect(log.state.producer(1n)).toBeUndefined()
  })
})

describe('transactions', () => {
  test('a transaction begins with its first batch and ends with its marker', () => {
    const log = new Appender()
    log.append(batch(0, { count: 5 }))
    log.append(batch(5, { transactional: true, count: 2 }))
    log.append(batch(7, { transactional: true }))
    expect(log.state.producer(1n)?.currentTxnFirstOffset).toBe(5)
    expect(log.end('COMMIT')).toEqual([{ producerId: 1n, firstOffset: 5, lastOffset: 8, aborted: false, lastStableOffset: 9 }])
    expect(log.state.producer(1n)?.currentTxnFirstOffset).toBe(-1)
  })

  test('while one is open, a batch outside is refused', () => {
    const log = new Appender()
    log.append(batch(0, { transactional: true }))
    expect(codeOf(() => log.append(batch(1)))).toBe('LOG_TXN_STATE_INVALID')
    log.end('ABORT')
    expect(log.append(batch(1)).checked.kind).toBe('append')
  })

  test('after a marker of the same epoch sequences run on', () => {
    const log = new Appender()
    log.append(batch(0, { transactional: true }))
    log.end('COMMIT')
    expect(codeOf(() => log.append(batch(0, { transactional: true, count: 2 })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.append(batch(1, { transactional: true })).checked.kind).toBe('append')
  })

  test('after a marker of the next epoch the producer goes on with that one, from 0', () => {
    const log = new Appender()
    log.append(batch(0, { transactional: true, count: 3 }))
    expect(log.end('COMMIT', { epoch: 1 })).toHaveLength(1)
    expect(log.state.snapshot()[0]).toMatchObject({ epoch: 1, lastSequence: -1, lastOffset: -1, offsetDelta: 0, currentTxnFirstOffset: -1 })
    expect(codeOf(() => log.append(batch(3, { transactional: true })))).toBe('LOG_PRODUCER_FENCED')
    expect(codeOf(() => log.append(batch(3, { transactional: true, producerEpoch: 1 })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.append(batch(0, { transactional: true, producerEpoch: 1 })).checked.kind).toBe('append')
  })

  test('a marker of an unknown producer makes it known, and asks it to begin with 0', () => {
    const log = new Appender()
    expect(log.end('ABORT', { epoch: 2, coordinatorEpoch: 5 })).toEqual([])
    expect(log.state.producer(1n)).toMatchObject({ epoch: 2, coordinatorEpoch: 5, lastTimestamp: 1_000, batches: [] })
    expect(codeOf(() => log.append(batch(17, { producerEpoch: 2 })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(log.append(batch(0, { producerEpoch: 2 })).checked.kind).toBe('append')
  })

  test('a marker of an older producer epoch is fenced', () => {
    const log = new Appender()
    log.append(batch(0, { producerEpoch: 2, transactional: true }))
    expect(codeOf(() => log.end('ABORT', { epoch: 1 }))).toBe('LOG_PRODUCER_FENCED')
  })

  test('a marker of an older coordinator is fenced, also after a transaction without batches', () => {
    const log = new Appender()
    log.append(batch(0, { transactional: true }))
    log.end('COMMIT', { coordinatorEpoch: 3 })
    log.append(batch(1, { transactional: true }))
    expect(codeOf(() => log.end('COMMIT', { coordinatorEpoch: 2 }))).toBe('LOG_TXN_COORDINATOR_FENCED')
    log.end('COMMIT', { coordinatorEpoch: 3 })
    log.end('COMMIT', { coordinatorEpoch: 4 })
    expect(codeOf(() => log.end('ABORT', { coordinatorEpoch: 3 }))).toBe('LOG_TXN_COORDINATOR_FENCED')
  })

  test('a coordinator epoch that goes back in the log is no obstacle to reading it', () => {
    const state = new ProducerState()
    const marker = { ...batch(-1, { control: true, transactional: true }), baseOffset: 0 }
    state.replay(marker, { type: 'COMMIT', coordinatorEpoch: 9 })
    state.replay({ ...marker, baseOffset: 1 }, { type: 'COMMIT', coordinatorEpoch: 8 })
    expect(state.producer(1n)?.coordinatorEpoch).toBe(8)
  })

  test('a control batch that compaction emptied changes nothing', () => {
    const state = new ProducerState()
    state.replay({ ...batch(0, { transactional: true }), baseOffset: 0 })
    const before = state.producer(1n)
    expect(state.replay({ ...batch(-1, { control: true, transactional: true, producerEpoch: 7 }), baseOffset: 1 })).toBeUndefined()
    expect([state.producer(1n), state.endOffset]).toEqual([before, 2])
  })

  test('aborted ones carry the first offset of the earliest other open one', () => {
    // The documented sequence: producers 1 to 4 interleaved over 75 offsets; 1 and 2 abort, 3 commits, 4 has no transaction.
    const log = new Appender()
    log.append(batch(0, { producerId: 1, transactional: true, count: 5 }))
    log.append(batch(-1, { producerId: -1, count: 3 }))
    log.append(batch(0, { producerId: 2, transactional: true, count: 21 }))
    expect(log.end('ABORT', { producerId: 1 })).toEqual([{ producerId: 1n, firstOffset: 0, lastOffset: 29, aborted: true, lastStableOffset: 8 }])
    log.append(batch(-1, { producerId: -1, count: 6 }))
    log.append(batch(0, { producerId: 3, transactional: true, count: 38 }))
    expect(log.end('ABORT', { producerId: 2 })).toEqual([{ producerId: 2n, firstOffset: 8, lastOffset: 74, aborted: true, lastStableOffset: 36 }])
    expect(log.end('COMMIT', { producerId: 3 })).toMatchObject([{ firstOffset: 36, aborted: false, lastStableOffset: 76 }])
  })
})

describe('the last stable offset', () => {
  test('stays at an open transaction, and at an ended one until the watermark has passed its marker', () => {
    const log = new Appender()
    log.append(batch(-1, { producerId: -1, count: 3 }))
    expect([log.state.firstUnstableOffset(3), log.state.lastStableOffset(3)]).toEqual([undefined, 3])
    log.append(batch(0, { transactional: true, count: 4 }))
    expect([log.state.firstUnstableOffset(7), log.state.lastStableOffset(7)]).toEqual([3, 3])
    log.end('COMMIT')
    for (const watermark of [2, 4, 7]) {
      log.state.onHighWatermark(watermark)
      expect(log.state.lastStableOffset(watermark)).toBe(Math.min(watermark, 3))
    }
    expect([log.state.firstUnstableOffset(8), log.state.lastStableOffset(8)]).toEqual([undefined, 8])
    log.state.onHighWatermark(8)
    expect([log.state.firstUnstableOffset(8), log.state.lastStableOffset(8)]).toEqual([undefined, 8])
  })

  test('moves from one open transaction to the next', () => {
    const log = new Appender()
    log.append(batch(0, { producerId: 1, transactional: true }), { at: 99 })
    log.append(batch(0, { producerId: 2, transactional: true }), { at: 105 })
    expect(log.state.firstUnstableOffset(106)).toBe(99)
    log.end('COMMIT', { producerId: 1, at: 109 })
    log.state.onHighWatermark(109)
    expect(log.state.firstUnstableOffset(109)).toBe(99)
    log.state.onHighWatermark(110)
    expect(log.state.firstUnstableOffset(110)).toBe(105)
    log.end('ABORT', { producerId: 2, at: 112 })
    log.state.onHighWatermark(113)
    expect(log.state.firstUnstableOffset(113)).toBeUndefined()
  })

  test('is never below the start of the log', () => {
    const log = new Appender()
    log.append(batch(0, { transactional: true, count: 10 }))
    expect([log.state.lastStableOffset(10, 4), log.state.lastStableOffset(10, 10)]).toEqual([4, 10])
  })
})

describe('idle producers', () => {
  test('are forgotten after the expiration by their last timestamp, unless a transaction is open or a batch pending', () => {
    const log = new Appender()
    log.append(batch(0, { producerId: 1, maxTimestamp: 1_000 }))
    log.append(batch(0, { producerId: 2, maxTimestamp: 1_001 }))
    log.append(batch(0, { producerId: 3, maxTimestamp: 1_000, transactional: true }))
    log.append(batch(0, { producerId: 4, maxTimestamp: 1_000 }))
    log.append(batch(1, { producerId: 4, maxTimestamp: 1_000 }), { hold: true })
    log.state.expire(1_999, 1_000)
    expect(log.state.snapshot()).toHaveLength(4)
    log.state.expire(2_000, 1_000)
    expect(log.state.snapshot().map((entry) => Number(entry.producerId))).toEqual([2, 3, 4])
    expect(log.append(batch(44, { producerId: 1 })).checked.kind).toBe('append')
  })

  test('are left out of what a snapshot brings back', () => {
    const log = new Appender()
    log.append(batch(0, { producerId: 1, maxTimestamp: 1_000 }))
    log.append(batch(0, { producerId: 2, maxTimestamp: 1_500 }))
    log.append(batch(0, { producerId: 3, maxTimestamp: 1_000, transactional: true }))
    const state = new ProducerState()
    state.load(log.state.snapshot(), 3, { now: 2_000, expirationMs: 1_000 })
    expect(state.snapshot().map((entry) => Number(entry.producerId))).toEqual([2, 3])
  })
})

describe('snapshots', () => {
  test('hold what Kafka keeps of a producer with an open transaction, and of one known by a marker', () => {
    const log = new Appender()
    log.end('COMMIT', { producerId: 7, epoch: 1, coordinatorEpoch: 4 })
    log.append(batch(0, { producerId: 7, producerEpoch: 1, transactional: true, count: 3, maxTimestamp: 1_700_000_000_300 }), { at: 5 })
    log.end('ABORT', { producerId: 8, coordinatorEpoch: 2 })
    expect(log.state.snapshot()).toEqual([
      {
        producerId: 7n,
        epoch: 1,
        lastSequence: 2,
        lastOffset: 7,
        offsetDelta: 2,
        timestamp: 1_700_000_000_300,
        coordinatorEpoch: 4,
        currentTxnFirstOffset: 5,
      },
      {
        producerId: 8n,
        epoch: 0,
        lastSequence: -1,
        lastOffset: -1,
        offsetDelta: 0,
        timestamp: 1_000,
        coordinatorEpoch: 2,
        currentTxnFirstOffset: -1,
      },
    ])
  })

  test('bring back the last batch, the open transaction and the fencing', () => {
    const log = new Appender()
    log.end('COMMIT', { coordinatorEpoch: 4 })
    for (let at = 0; at < 3; at++) log.append(batch(at * 2, { count: 2, transactional: true }))
    const again = new Appender()
    again.state.load(log.state.snapshot(), 7, never)
    again.nextOffset = 7
    expect(again.append(batch(4, { count: 2, transactional: true })).checked).toMatchObject({ kind: 'duplicate', baseOffset: 5, lastOffset: 6 })
    expect(codeOf(() => again.append(batch(2, { count: 2, transactional: true })))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
    expect(codeOf(() => again.end('COMMIT', { coordinatorEpoch: 3 }))).toBe('LOG_TXN_COORDINATOR_FENCED')
    expect([again.state.endOffset, again.state.firstUnstableOffset(7)]).toEqual([7, 1])
    expect(again.end('COMMIT', { coordinatorEpoch: 4 })).toMatchObject([{ firstOffset: 1, lastOffset: 7 }])
  })

  test('of several open transactions bring back the order of their first offsets', () => {
    const log = new Appender()
    log.append(batch(0, { producerId: 1, transactional: true }))
    log.append(batch(0, { producerId: 2, transactional: true }))
    const state = new ProducerState()
    state.load(log.state.snapshot().reverse(), 2, never)
    expect(state.firstUnstableOffset(2)).toBe(0)
  })
})

describe('truncation', () => {
  test('past the last batch of any producer leaves the state right', () => {
    const log = new Appender()
    log.append(batch(0, { transactional: true }))
    log.append(batch(-1, { producerId: -1, count: 9 }))
    log.append(batch(1, { transactional: true }), { hold: true })
    expect(log.state.truncate(4)).toBe(true)
    expect([log.state.endOffset, log.state.snapshot()[0]?.lastSequence, log.state.firstUnstableOffset(4)]).toEqual([4, 0, 0])
    expect(log.append(batch(1, { transactional: true }), { at: 4 }).checked.kind).toBe('append')
  })

  test('before it asks for a rebuild', () => {
    const log = new Appender()
    log.append(batch(0))
    log.append(batch(1))
    expect(log.state.truncate(1)).toBe(false)
    const loaded = new ProducerState()
    loaded.load(log.state.snapshot(), 2, never)
    expect([loaded.truncate(2), loaded.truncate(1)]).toEqual([true, false])
    loaded.reset(0)
    expect([loaded.snapshot(), loaded.endOffset, loaded.truncate(0)]).toEqual([[], 0, true])
  })
})

/*
 * The twin: a list of everything that was accepted, from which each question is answered anew by reading the rules.
 */
interface Accepted {
  readonly batch: ProducerBatch
  readonly baseOffset: number
  readonly lastOffset: number
  readonly marker: EndTransactionMarker | undefined
}

class Twin {
  stored: Accepted[] = []
  held: Accepted[] = []

  verdict(one: ProducerBatch, origin: AppendOrigin, marker: EndTransactionMarker | undefined): string {
    const mine = [...this.stored, ...this.held].filter((accepted) => accepted.batch.producerId === one.producerId)
    if (mine.length === 0) return 'append'
    const epoch = mine.at(-1)!.batch.producerEpoch
    const ofEpoch = mine.filter((accepted) => accepted.batch.producerEpoch === epoch && !accepted.batch.control)
    if (origin === 'client' && one.producerEpoch === epoch) {
      const again = ofEpoch.slice(-RETAINED_BATCHES).find((accepted) => sequencesOf(accepted.batch).join() === sequencesOf(one).join())
      if (again !== undefined) return `duplicate of ${again.baseOffset}..${again.lastOffset}`
    }
    if (one.producerEpoch < epoch) return 'LOG_PRODUCER_FENCED'
    if (marker !== undefined) {
      const coordinator = Math.max(-1, ...mine.map((accepted) => accepted.marker?.coordinatorEpoch ?? -1))
      return marker.coordinatorEpoch < coordinator ? 'LOG_TXN_COORDINATOR_FENCED' : 'append'
    }
    if (origin === 'client') {
      const last = one.producerEpoch === epoch ? ofEpoch.at(-1) : undefined
      const due = last === undefined ? 0 : (sequencesOf(last.batch).at(-1)! + 1) % 2 ** 31
      if (one.baseSequence !== due) return 'LOG_SEQUENCE_OUT_OF_ORDER'
    }
    return openSince(mine) >= 0 && !one.transactional ? 'LOG_TXN_STATE_INVALID' : 'append'
  }

  lastStable(watermark: number): number {
    const producers = new Set(this.stored.map((accepted) => accepted.batch.producerId))
    let stable = watermark
    for (const producerId of producers) {
      const mine = this.stored.filter((accepted) => accepted.batch.producerId === producerId && accepted.lastOffset < watermark)
      if (openSince(mine) >= 0) stable = Math.min(stable, openSince(mine))
    }
    return stable
  }
}

/** First offset of the transaction that the batches of one producer leave open, or −1. */
function openSince(mine: readonly Accepted[]): number {
  const ended = mine.findLastIndex((accepted) => accepted.batch.control)
  return mine.slice(ended + 1).find((accepted) => accepted.batch.transactional)?.baseOffset ?? -1
}

function sequencesOf(one: ProducerBatch): number[] {
  return Array.from({ length: one.lastOffsetDelta + 1 }, (_, delta) => (one.baseSequence + delta) % 2 ** 31)
}

test('whatever is appended, stored, lost and reloaded, each answer is that of a twin that reads the rules anew', () => {
  const sequence = fc.oneof(fc.nat(12), fc.integer({ min: MAX_SEQUENCE - 6, max: MAX_SEQUENCE }))
  const step = fc.oneof(
    { weight: 10, arbitrary: fc.record({
      do: fc.constant('append' as const),
      producerId: fc.integer({ min: 1, max: 3 }),
      producerEpoch: fc.nat(2),
      // Mostly what is due next, so that histories get long.
      sequence: fc.option(sequence, { freq: 2 }),
      count: fc.integer({ min: 1, max: 4 }),
      transactional: fc.boolean(),
      origin: fc.constantFrom<AppendOrigin>('client', 'client', 'coordinator'),
    }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('again' as const), back: fc.nat(8) }) },
    { weight: 4, arbitrary: fc.record({
      do: fc.constant('end' as const),
      producerId: fc.integer({ min: 1, max: 3 }),
      producerEpoch: fc.nat(2),
      type: fc.constantFrom('COMMIT' as const, 'ABORT' as const),
      coordinatorEpoch: fc.nat(2),
    }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('store' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('replay' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      let state = new ProducerState()
      const twin = new Twin()
      let nextOffset = 0
      let snapshot = { entries: state.snapshot(), endOffset: 0 }

      const append = (one: ProducerBatch, origin: AppendOrigin, marker?: EndTransactionMarker): void => {
        const due = twin.verdict(one, origin, marker)
        let verdict: string
        try {
          const checked = state.prepare(one, nextOffset, origin, marker)
          verdict = checked.kind === 'append' ? 'append' : `duplicate of ${checked.baseOffset}..${checked.lastOffset}`
        } catch (error) {
          verdict = isLogError(error) ? error.code : String(error)
        }
        expect(verdict).toBe(due)
        if (verdict !== 'append') return
        twin.held.push({ batch: one, baseOffset: nextOffset, lastOffset: nextOffset + one.lastOffsetDelta, marker })
        nextOffset += one.lastOffsetDelta + 1
      }
      const store = (count: number): void => {
        const some = twin.held.splice(0, count)
        if (some.length === 0) return
        const watermark = some.at(-1)!.lastOffset + 1
        const before = twin.stored
        twin.stored = [...twin.stored, ...some]
        const ended = state.commit(watermark)
        const markers = some.filter((accepted) => {
          const earlier = [...before, ...some].filter((one) => one.lastOffset < accepted.lastOffset)
          return accepted.marker !== undefined && openSince(earlier.filter((one) => one.batch.producerId === accepted.batch.producerId)) >= 0
        })
        expect(ended.map((one) => [one.lastOffset, one.aborted])).toEqual(markers.map((one) => [one.lastOffset, one.marker?.type === 'ABORT']))
        state.onHighWatermark(watermark)
        expect(state.lastStableOffset(watermark)).toBe(twin.lastStable(watermark))
      }

      for (const one of steps) {
        if (one.do === 'append') {
          const fields = { producerId: one.producerId, producerEpoch: one.producerEpoch, count: one.count, transactional: one.transactional }
          append(batch(one.sequence ?? dueSequence(twin, one.producerId, one.producerEpoch), fields), one.origin)
        } else if (one.do === 'again') {
          const before = [...twin.stored, ...twin.held].filter((accepted) => !accepted.batch.control).at(-1 - one.back)
          if (before !== undefined) append(before.batch, 'client')
        } else if (one.do === 'end') {
          const fields = { producerId: one.producerId, producerEpoch: one.producerEpoch, control: true, transactional: true }
          append(batch(-1, fields), 'coordinator', { type: one.type, coordinatorEpoch: one.coordinatorEpoch })
        } else if (one.do === 'store') {
          store(Math.ceil(one.share * twin.held.length))
          if (one.share > 0.7) snapshot = { entries: state.snapshot(), endOffset: state.endOffset }
        } else if (one.do === 'lose') {
          const lost = twin.held.splice(Math.floor(one.share * twin.held.length))
          state.rollback(lost[0]?.baseOffset ?? nextOffset)
        } else {
          store(twin.held.length)
          state = one.do === 'replay' ? replayed(undefined, twin.stored) : replayed(snapshot, twin.stored)
          const watermark = (twin.stored.at(-1)?.lastOffset ?? -1) + 1
          state.onHighWatermark(watermark)
          expect(state.lastStableOffset(watermark)).toBe(twin.lastStable(watermark))
          // A snapshot keeps one batch of each producer: the twin must not know more, and needs none of it for anything else.
          if (one.do === 'reload') state = replayed(undefined, twin.stored)
        }
      }
    }),
    { numRuns: 500 },
  )
})

function dueSequence(twin: Twin, producerId: number, epoch: number): number {
  const mine = [...twin.stored, ...twin.held].filter((one) => one.batch.producerId === BigInt(producerId))
  const last = mine.findLast((one) => one.batch.producerEpoch === epoch && !one.batch.control)
  return last === undefined ? 0 : (sequencesOf(last.batch).at(-1)! + 1) % 2 ** 31
}

/** The state that a log of these batches leads to, from a snapshot on when there is one. */
function replayed(
  snapshot: { readonly entries: readonly ProducerSnapshotEntry[]; readonly endOffset: number } | undefined,
  log: readonly Accepted[],
): ProducerState {
  const state = new ProducerState()
  if (snapshot !== undefined) state.load(snapshot.entries, snapshot.endOffset, never)
  for (const { batch: one, baseOffset, marker } of log) {
    if (baseOffset >= (snapshot?.endOffset ?? 0)) state.replay({ ...one, baseOffset }, marker)
  }
  return state
}
