/*
 * Cases of the portable conformance suite: what ends, and what comes after.
 */
import { defineTopic } from '../../topics/define-topic.ts'
import { string } from '../../topics/codecs.ts'
import { expectSame } from '../store-under-test.ts'
import { collect, everything, expectCode, fill, type PortableCase, soon, texts, textTopic, valuesOf } from './log-under-test.ts'

/** Closing topics and logs. */
export const endingCases: readonly PortableCase[] = [
  {
    name: 'a closed topic refuses what is asked of it: LOG_CLOSED; other handles of it go on',
    run: async (context) => {
      const topic = await textTopic(context)
      const other = await context.log.topic(defineTopic(topic.name, { value: string }))
      await topic.close()
      await topic.close()
      await expectCode('LOG_CLOSED', () => topic.send({ value: 'late' }), 'send')
      await expectCode('LOG_CLOSED', () => collect(topic.consumer({ until: 'end' })), 'consumer')
      await other.send({ value: 'v' })
      expectSame(valuesOf(await everything(other)), ['v'], 'values of the other handle')
    },
  },
  {
    name: 'closing a topic ends the loops of its consumers',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, ['only'])
      const seen: unknown[] = []
      for await (const { value } of topic.consumer()) {
        seen.push(value)
        soon(() => void topic.close())
      }
      expectSame(seen, ['only'], 'values')
    },
  },
  {
    name: 'a closed log refuses what is asked of it and of its topics: LOG_CLOSED; its close may be called again',
    run: async (context) => {
      const { log } = context
      const topic = await textTopic(context)
      const seen: unknown[] = []
      await fill(topic, ['only'])
      const loop = (async () => { for await (const { value } of topic.consumer()) if (seen.push(value) === 1) soon(() => void log.close()) })()
      await loop
      await log.close()
      expectSame(seen, ['only'], 'what the loop read that the close ended')
      await expectCode('LOG_CLOSED', () => log.topic(defineTopic(topic.name, { value: string })), 'topic')
      await expectCode('LOG_CLOSED', () => topic.send({ value: 'late' }), 'send')
      await expectCode('LOG_CLOSED', () => log.topics(), 'topics')
      await expectCode('LOG_CLOSED', () => log.groups.list(), 'groups')
      await expectCode('LOG_CLOSED', () => log.beginTransaction(), 'beginTransaction')
      await log[Symbol.asyncDispose]()
    },
  },
  {
    name: 'what was sent before the close is there after a restart; what was in a transaction is not',
    needs: ({ another }) => another !== undefined,
    run: async (context) => {
      const topic = await textTopic(context)
      const sent = texts(5).map((value) => topic.send({ value, partition: 0 }))
      const transaction = await context.log.beginTransaction({ transactionalId: context.name('id') })
      await transaction.send(topic, { value: 'never' })
      await Promise.all(sent)
      await context.log.close()
      const log = await context.another()
      expectSame(valuesOf(await everything(await log.topic(defineTopic(topic.name, { value: string })))), texts(5), 'values')
    },
  },
]
