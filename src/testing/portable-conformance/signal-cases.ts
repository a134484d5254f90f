/*
 * Cases of the portable conformance suite: signals, which end the waiting of whatever waits.
 */
import { string } from '../../topics/codecs.ts'
import { type PortableLog, type PortableTransaction } from '../../topics/contract.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { assertionError } from '../assertion-error.ts'
import { expectSame } from '../store-under-test.ts'
import { collect, everything, failureOf, fill, type PortableCase, type TextTopic, textTopic, valuesOf } from './log-under-test.ts'

/** What a case calls, with a topic that is there and a group that has committed for it. */
interface Called {
  readonly log: PortableLog
  readonly topic: TextTopic
  readonly group: string
}

/** Everything that waits, by its name. */
const waits: readonly (readonly [name: string, call: (called: Called, signal: AbortSignal) => Promise<unknown>])[] = [
  ['topic', ({ log, topic }, signal) => log.topic(defineTopic(topic.name, { value: string }), { signal })],
  ['topics', ({ log }, signal) => log.topics({ signal })],
  ['groups.list', ({ log }, signal) => log.groups.list({ signal })],
  ['groups.describe', ({ log, group }, signal) => log.groups.describe(group, { signal })],
  ['groups.lag', ({ log, group }, signal) => log.groups.lag(group, { signal })],
  ['groups.delete', ({ log, group }, signal) => log.groups.delete(group, { signal })],
  ['groups.resetOffsets', ({ log, group }, signal) => log.groups.resetOffsets(group, { to: 'earliest', signal })],
  ['send', ({ topic }, signal) => topic.send({ value: 'never' }, { signal })],
  ['flush', ({ topic }, signal) => topic.producer().flush({ signal })],
  ['commit', ({ topic, group }, signal) => topic.consumer({ group }).commit([{ partition: 0, offset: 0 }], { signal })],
  ['committed', ({ topic, group }, signal) => topic.consumer({ group }).committed(0, { signal })],
  ['beginTransaction', ({ log }, signal) => log.beginTransaction({ signal })],
  ['transaction', ({ log, topic }, signal) => log.transaction((tx) => tx.send(topic, { value: 'never' }), { signal })],
]

/** Signals. */
export const signalCases: readonly PortableCase[] = [
  {
    name: 'a signal that is aborted already keeps everything that waits from being begun: its reason is thrown',
    run: async (context) => {
      const topic = await textTopic(context)
      const group = context.name('group')
      await fill(topic, ['a', 'b'])
      await context.log.transaction((tx) => tx.commitOffsets(group, [{ topic: topic.name, partition: 0, offset: 1 }]))
      const reason = new Error('enough')
      for (const [name, call] of waits) {
        const thrown = await failureOf(() => call({ log: context.log, topic, group }, AbortSignal.abort(reason)), name)
        if (thrown !== reason) throw assertionError({ message: `${name} failed with another reason: ${thrown.message}` })
      }
      expectSame((await topic.consumer({ group }).committed(0))?.offset, 1, 'what is committed')
      expectSame(valuesOf(await everything(topic)), ['a', 'b'], 'values')
    },
  },
  {
    name: 'a transaction that a signal kept from its commit or abort is open, and goes on',
    run: async ({ log, ...context }) => {
      const topic = await textTopic({ log, ...context })
      const reason = new Error('enough')
      const signal = AbortSignal.abort(reason)
      const transaction: PortableTransaction = await log.beginTransaction()
      const ends = [
        () => transaction.send(topic, { value: 'never' }, { signal }), () => transaction.commitOffsets(context.name('group'), [], { signal }),
        () => transaction.abort({ signal }), () => transaction.commit({ signal }),
      ]
      for (const end of ends) {
        if ((await failureOf(end, 'the end')) !== reason) throw assertionError({ message: 'the end failed with another reason' })
      }
      await transaction.send(topic, { value: 'a' }, { signal: new AbortController().signal })
      await transaction.commit({ signal: new AbortController().signal })
      expectSame(valuesOf(await everything(topic)), ['a'], 'values')
    },
  },
  {
    name: 'a transaction whose signal is aborted while it is worked on counts for nothing',
    run: async (context) => {
      const topic = await textTopic(context)
      const controller = new AbortController()
      const reason = new Error('enough')
      const thrown = await failureOf(() => context.log.transaction(async (tx) => {
        await tx.send(topic, { value: 'never' })
        controller.abort(reason)
      }, { signal: controller.signal }), 'the transaction')
      if (thrown !== reason) throw assertionError({ message: `it failed with another reason: ${thrown.message}` })
      await fill(topic, ['a'])
      expectSame(valuesOf(await everything(topic)), ['a'], 'values')
    },
  },
  {
    name: 'a signal ends the waiting for the end of a consumption, which ends nevertheless',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, ['a'])
      const controller = new AbortController()
      const reason = new Error('enough')
      let begun = (): void => {}
      let finish = (): void => {}
      const working = new Promise<void>((resolve) => { begun = resolve })
      const finished = new Promise<void>((resolve) => { finish = resolve })
      const group = context.name('group')
      const consumption = topic.consume({ group }, async () => {
        begun()
        await finished
      })
      await working
      const stopping = failureOf(() => consumption.stop({ signal: controller.signal }), 'stop')
      controller.abort(reason)
      if ((await stopping) !== reason) throw assertionError({ message: 'stop failed with another reason' })
      finish()
      await consumption.done
      expectSame(await collect(topic.consumer({ group, until: 'end' })), [], 'what is left')
    },
  },
]
