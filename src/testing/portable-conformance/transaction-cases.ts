/*
 * Cases of the portable conformance suite: transactions. Offsets may have gaps behind them, which no case counts.
 */
import { type PortableRecord, type PortableTransaction } from '../../topics/contract.ts'
import { expectSame } from '../store-under-test.ts'
import {
  collect, everything, expectCode, failureOf, fill, type PortableCase, type TextTopic, texts, textTopic, valuesOf,
} from './log-under-test.ts'

/** Records, and offsets of groups, that count together or not at all. */
export const transactionCases: readonly PortableCase[] = [
  {
    name: 'records of a transaction, to several topics, count when it is committed, and not before',
    run: async (context) => {
      const [one, other] = [await textTopic(context), await textTopic(context, 2)]
      const transaction = await context.log.beginTransaction({ transactionalId: context.name('id') })
      await transaction.send(one, { value: 'a' })
      const results = await transaction.send(other, texts(4).map((value, index) => ({ value, partition: index % 2 })))
      expectSame([...await everything(one), ...await everything(other)], [], 'records before the commit')
      await transaction.commit()
      const [first, second] = [await everything(one), await everything(other)]
      expectSame([valuesOf(first), valuesOf(second)], [['a'], ['v0', 'v2', 'v1', 'v3']], 'values')
      const placed = new Map(second.map(({ partition, offset, value }) => [`${partition}/${offset}`, value]))
      expectSame(results.map(({ partition, offset }) => placed.get(`${partition}/${offset}`)), texts(4), 'the records where send said')
    },
  },
  {
    name: 'an aborted transaction counts for nothing; who reads uncommitted sees its records',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, ['before'])
      const transaction = await context.log.beginTransaction({ transactionalId: context.name('id') })
      await transaction.send(topic, { key: 'k', value: 'never', headers: { h: 'x' } })
      await transaction.abort()
      await fill(topic, ['after'])
      expectSame(valuesOf(await everything(topic)), ['before', 'after'], 'what is committed')
      const uncommitted = await collect(topic.consumer({ isolation: 'read_uncommitted', until: 'end' }))
      expectSame(valuesOf(uncommitted), ['before', 'never', 'after'], 'what there is')
    },
  },
  {
    name: 'transaction() commits and gives what its work gave; when that throws, it aborts and throws that',
    run: async (context) => {
      const [{ log }, topic] = [context, await textTopic(context)]
      const given = await log.transaction(async (tx) => {
        await tx.send(topic, { value: 'kept' })
        return 'given'
      })
      const reason = new Error('no')
      const failure = await failureOf(() => log.transaction(async (tx) => {
        await tx.send(topic, { value: 'gone' })
        throw reason
      }), 'the transaction')
      expectSame([given, failure === reason, valuesOf(await everything(topic))], ['given', true, ['kept']], 'what came of both')
    },
  },
  {
    name: 'sends and commits of offsets need not be awaited, and sends keep their order',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context), context.name('group')]
      await log.transaction((tx) => {
        for (const value of texts(20)) void tx.send(topic, { value, partition: 0 })
        void tx.commitOffsets(group, [{ topic: topic.name, partition: 0, offset: 4 }])
      })
      expectSame([valuesOf(await everything(topic)), await committedOf(topic, group)], [texts(20), 4], 'values and offset')
    },
  },
  {
    name: 'offsets count with their transaction, and with their metadata',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      const commit = (tx: PortableTransaction, offset: number): Promise<void> => (
        tx.commitOffsets(group, [{ topic: topic.name, partition: 0, offset, metadata: `at ${offset}` }])
      )
      await log.transaction((tx) => commit(tx, 2))
      const aborted = await log.beginTransaction({ transactionalId: context.name('id') })
      await commit(aborted, 4)
      await aborted.abort()
      const consumer = topic.consumer({ group, until: 'end' })
      expectSame(await consumer.committed(0), { offset: 2, metadata: 'at 2' }, 'what is committed')
      expectSame(valuesOf(await collect(consumer)), ['v2', 'v3', 'v4'], 'where the group goes on')
    },
  },
  {
    name: 'reading, writing and committing in transactions handles every record once, through aborts',
    run: async (context) => {
      const [{ log }, from, to, group] = [context, await textTopic(context), await textTopic(context), context.name('group')]
      await fill(from, texts(12))
      for (const fails of [false, true, false, true, false, false]) await pass({ log, from, to, group, fails })
      expectSame(valuesOf(await everything(to)), texts(12).map((value) => `${value}!`), 'what was written')
    },
  },
  {
    name: 'a second transaction of a transactionalId aborts the first: LOG_PRODUCER_FENCED',
    run: async (context) => {
      const [{ log }, topic, transactionalId] = [context, await textTopic(context), context.name('id')]
      const first = await log.beginTransaction({ transactionalId })
      await first.send(topic, { value: 'gone' })
      const second = await log.beginTransaction({ transactionalId })
      await second.send(topic, { value: 'kept' })
      await expectCode('LOG_PRODUCER_FENCED', () => first.commit(), 'the commit of the first')
      await second.commit()
      expectSame(valuesOf(await everything(topic)), ['kept'], 'values')
    },
  },
  {
    name: 'transactions of one transactionalId follow each other',
    run: async (context) => {
      const [{ log }, topic, transactionalId] = [context, await textTopic(context), context.name('id')]
      for (const value of texts(5)) await log.transaction((tx) => void tx.send(topic, { value }), { transactionalId })
      expectSame(valuesOf(await everything(topic)), texts(5), 'values')
    },
  },
  {
    name: 'transactions without a transactionalId are side by side',
    run: async (context) => {
      const [{ log }, topic] = [context, await textTopic(context)]
      const [one, other] = [await log.beginTransaction(), await log.beginTransaction()]
      await one.send(topic, { value: 'one' })
      await other.send(topic, { value: 'other' })
      await other.commit()
      await one.commit()
      expectSame(valuesOf(await everything(topic)).sort(), ['one', 'other'], 'values')
    },
  },
  {
    name: 'a send that fails makes the commit fail, and nothing counts: LOG_TXN_ABORTED',
    run: async (context) => {
      const topic = await textTopic(context)
      const transaction = await context.log.beginTransaction({ transactionalId: context.name('id') })
      await transaction.send(topic, { value: 'good' })
      void transaction.send(topic, { value: 5 as never }).catch(() => {})
      await expectCode('LOG_TXN_ABORTED', () => transaction.commit(), 'the commit')
      expectSame(await everything(topic), [], 'records')
    },
  },
  {
    name: 'offsets that can be none are a RangeError or a TypeError, and make the commit fail',
    run: async (context) => {
      const [{ name: topic }, group] = [await textTopic(context), context.name('group')]
      const refused = async (error: string, of: unknown, offsets: unknown): Promise<void> => {
        const transaction = await context.log.beginTransaction()
        const failure = await failureOf(() => transaction.commitOffsets(of as string, offsets as never), `offsets ${JSON.stringify(offsets)}`)
        expectSame(failure.name, error, 'error')
        await expectCode('LOG_TXN_ABORTED', () => transaction.commit(), 'the commit')
      }
      await refused('RangeError', group, [{ topic, partition: 0, offset: -1 }])
      await refused('RangeError', group, [{ topic, partition: -1, offset: 0 }])
      await refused('TypeError', group, [{}])
      await refused('TypeError', group, [{ topic, partition: 0, offset: 0, metadata: 5 }])
      await refused('TypeError', group, undefined)
      await refused('RangeError', '', [{ topic, partition: 0, offset: 0 }])
      await refused('TypeError', 5, [{ topic, partition: 0, offset: 0 }])
    },
  },
  {
    name: 'what has ended takes nothing more: LOG_TXN_STATE_INVALID behind a commit, LOG_TXN_ABORTED behind an abort',
    run: async (context) => {
      const topic = await textTopic(context)
      const committed = await context.log.beginTransaction()
      await committed.send(topic, { value: 'v' })
      await committed.commit()
      await expectCode('LOG_TXN_STATE_INVALID', () => committed.send(topic, { value: 'late' }), 'a send behind the commit')
      const aborted = await context.log.beginTransaction()
      await aborted.abort()
      await aborted.abort()
      await expectCode('LOG_TXN_ABORTED', () => aborted.send(topic, { value: 'late' }), 'a send behind the abort')
      await expectCode('LOG_TXN_ABORTED', () => aborted.commit(), 'a commit behind the abort')
      expectSame(valuesOf(await everything(topic)), ['v'], 'values')
    },
  },
  {
    name: 'a transaction that is disposed of is aborted, unless it was committed',
    run: async (context) => {
      const topic = await textTopic(context)
      const [kept, dropped] = [await context.log.beginTransaction(), await context.log.beginTransaction()]
      await kept.send(topic, { value: 'kept' })
      await kept.commit()
      await dropped.send(topic, { value: 'gone' })
      for (const one of [kept, dropped]) await one[Symbol.asyncDispose]()
      expectSame(valuesOf(await everything(topic)), ['kept'], 'values')
    },
  },
  {
    name: 'an empty transaction is committed, and a transaction of nothing but offsets too',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context), context.name('group')]
      expectSame(await log.transaction(() => 1), 1, 'the empty one')
      await fill(topic, texts(2))
      await log.transaction((tx) => tx.commitOffsets(group, [{ topic: topic.name, partition: 0, offset: 1 }]))
      expectSame(await committedOf(topic, group), 1, 'the offset')
    },
  },
]

/** Takes the next three records of the group, in a transaction that may be aborted at its end. */
async function pass({ log, from, to, group, fails }: {
  readonly log: Parameters<PortableCase['run']>[0]['log']
  readonly from: TextTopic
  readonly to: TextTopic
  readonly group: string
  readonly fails: boolean
}): Promise<void> {
  const start = (await committedOf(from, group)) ?? 0
  const records: PortableRecord<string, string>[] = await collect(from.consumer({ from: start, until: 'end' }), 3)
  const last = records.at(-1)
  if (last === undefined) return
  const work = log.transaction(async (tx) => {
    for (const { value } of records) void tx.send(to, { value: `${value}!` })
    await tx.commitOffsets(group, [{ topic: from.name, partition: 0, offset: last.offset + 1 }])
    if (fails) throw new Error('on purpose')
  })
  await (fails ? failureOf(() => work, 'the transaction') : work)
}

async function committedOf(topic: TextTopic, group: string): Promise<number | undefined> {
  const consumer = topic.consumer({ group })
  const committed = await consumer.committed(0)
  await consumer.close()
  return committed?.offset
}
