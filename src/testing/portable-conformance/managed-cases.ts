/*
 * Cases of the portable conformance suite: managed consumption, with its retries and dead letters.
 */
import { defineTopic } from '../../topics/define-topic.ts'
import { string } from '../../topics/codecs.ts'
import { expectSame } from '../store-under-test.ts'
import { collect, expectCode, fill, type PortableCase, type TextTopic, texts, textTopic, valuesOf } from './log-under-test.ts'

/** `consume`: several records at a time, tried again, put aside. */
export const managedCases: readonly PortableCase[] = [
  {
    name: 'a handler gets every record; what it finished is committed by stop, and the next goes on behind it',
    run: async (context) => {
      const [topic, group] = [await textTopic(context, 2), context.name('group')]
      for (const partition of [0, 1]) await fill(topic, texts(20, partition * 20), partition)
      expectSame((await handled(topic, group, 40)).sort(), texts(40).sort(), 'what was handled')
      await fill(topic, ['later'])
      expectSame(await handled(topic, group, 1), ['later'], 'what the next one got')
    },
  },
  {
    name: 'with order key, records of a key are handled one after the other, in order',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await topic.send(texts(30).map((value, index) => ({ key: `k${index % 3}`, value, partition: 0 })))
      const order = new Map<string, string[]>()
      const [inHand, overlaps] = [new Set<string>(), [] as string[]]
      const all = countdown(30)
      const running = topic.consume({ group, order: 'key', concurrency: 8 }, async ({ key, value }) => {
        if (inHand.has(key!)) overlaps.push(key!)
        inHand.add(key!)
        await Promise.resolve()
        inHand.delete(key!)
        order.set(key!, [...(order.get(key!) ?? []), value!])
        all.count()
      })
      await all.reached
      await running.stop()
      const expected = ['k0', 'k1', 'k2'].map((_, at) => texts(30).filter((__, index) => index % 3 === at))
      expectSame([overlaps, ['k0', 'k1', 'k2'].map((key) => order.get(key))], [[], expected], 'overlaps and order')
    },
  },
  {
    name: 'a record that fails is tried again, and counts its attempts',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(3))
      const attempts: string[] = []
      const all = countdown(3)
      const running = topic.consume({ group, retry: { attempts: 5, delay: 1 } }, ({ value, attempt }) => {
        attempts.push(`${value}:${attempt}`)
        if (value === 'v1' && attempt < 3) throw new Error('not yet')
        all.count()
      })
      await all.reached
      await running.stop()
      expectSame(attempts, ['v0:1', 'v1:1', 'v1:2', 'v1:3', 'v2:1'], 'attempts')
    },
  },
  {
    name: 'what cannot be handled goes to the dead letters, with its key, headers and why, and others go on',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await topic.send([
        { value: 'good', partition: 0 }, { key: 'k', value: 'poison', headers: { h: 'x' }, partition: 0 }, { value: 'better', partition: 0 },
      ])
      const seen: string[] = []
      const all = countdown(2)
      const running = topic.consume({ group, retry: { attempts: 2, delay: 1 } }, ({ value }) => {
        if (value === 'poison') throw new Error('cannot')
        seen.push(value!)
        all.count()
      })
      await all.reached
      await running.stop()
      const dead = await context.log.topic(defineTopic(`${topic.name}.${group}.dlq`, { value: string }), { create: false })
      const [letter, ...more] = await collect(dead.consumer({ until: 'end' }))
      const header = (name: string): string | undefined => letter?.header(name)?.toString()
      expectSame([seen, letter?.key, letter?.value, header('h'), more.length], [['good', 'better'], 'k', 'poison', 'x', 0], 'letter')
      const why = ['topic', 'offset', 'delivery.count', 'message'].map((name) => header(`__dlq.errors.${name}`))
      expectSame(why, [topic.name, '1', '2', 'cannot'], 'why')
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), [], 'what is left for the group')
    },
  },
  {
    name: 'waits that are long are spent in the retry topic, and hold nobody of another key',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await topic.send([{ key: 'slow', value: 'first' }, { key: 'fast', value: 'second' }])
      const seen: string[] = []
      const all = countdown(3)
      const options = { group, order: 'key', retry: { attempts: 3, delay: 50, topic: true, withinMs: 1 } } as const
      const running = topic.consume(options, ({ value, attempt }) => {
        seen.push(`${value}:${attempt}`)
        all.count()
        if (value === 'first' && attempt === 1) throw new Error('not yet')
      })
      await all.reached
      await running.stop()
      expectSame(seen.sort(), ['first:1', 'first:2', 'second:1'], 'what was handed out')
    },
  },
  {
    name: 'without dead letters a record that is given up ends the consumption: LOG_HANDLER_FAILED',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(2))
      const running = topic.consume({ group, deadLetter: false, retry: { attempts: 2, delay: 1 } }, () => { throw new Error('cannot') })
      await expectCode('LOG_HANDLER_FAILED', () => running.done, 'the consumption')
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), texts(2), 'what is left for the group')
    },
  },
  {
    name: 'a signal stops a consumption as stop does',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(2))
      const [controller, all] = [new AbortController(), countdown(2)]
      const running = topic.consume({ group, signal: controller.signal }, () => all.count())
      await all.reached
      controller.abort()
      await running.done
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), [], 'what is left for the group')
    },
  },
]

/** The values of the next records that a handler of the group gets. */
async function handled(topic: TextTopic, group: string, count: number): Promise<string[]> {
  const values: string[] = []
  const all = countdown(count)
  const running = topic.consume({ group, concurrency: 4 }, ({ value }) => {
    values.push(value!)
    all.count()
  })
  await Promise.race([all.reached, running.done])
  await running.stop()
  return values
}

/** Resolves `reached` when `count` was called so often. */
function countdown(times: number): { readonly reached: Promise<void>; readonly count: () => void } {
  let left = times
  let reach = (): void => {}
  const reached = new Promise<void>((resolve) => { reach = resolve })
  return { reached, count: () => { if (--left === 0) reach() } }
}
