/*
 * Cases of the portable conformance suite: members of groups, and the groups themselves.
 */
import { type PortableGroupConsumer, type PortableRecord } from '../../topics/contract.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { string } from '../../topics/codecs.ts'
import { expectSame } from '../store-under-test.ts'
import {
  collect, expectCode, failureOf, fill, type PortableCase, soon, type TextTopic, texts, textTopic, valuesOf,
} from './log-under-test.ts'

/** What is committed, and where a group goes on. */
export const commitCases: readonly PortableCase[] = [
  {
    name: 'a group reads from the earliest, and its next consumer goes on behind what was done',
    run: async (context) => {
      const [topic, group] = [await textTopic(context, 2), context.name('group')]
      for (const partition of [0, 1]) await fill(topic, texts(5), partition)
      expectSame((await collect(topic.consumer({ group, until: 'end' }))).length, 10, 'records of the first consumer')
      await fill(topic, ['later'], 1)
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), ['later'], 'the second consumer')
    },
  },
  {
    name: 'the record in hand when the loop is left is not done, and comes again',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      expectSame(valuesOf(await collect(topic.consumer({ group }), 3)), ['v0', 'v1', 'v2'], 'the first loop')
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), ['v2', 'v3', 'v4'], 'the second loop')
    },
  },
  {
    name: 'a group without commits begins where from says',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(5))
      expectSame(valuesOf(await collect(topic.consumer({ group: context.name('group'), from: 3, until: 'end' }))), ['v3', 'v4'], 'from 3')
      expectSame(await collect(topic.consumer({ group: context.name('latest'), from: 'latest', until: 'end' })), [], 'from the latest')
    },
  },
  {
    name: 'with autoCommit: false only commit commits: a record and all before it, or a position, with metadata',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      const consumer = topic.consumer({ group, autoCommit: false, until: 'end' })
      expectSame(await consumer.committed(0), undefined, 'what is committed before anything is')
      for await (const record of consumer) {
        if (record.value === 'v2') await consumer.commit(record, { metadata: 'so far' })
      }
      expectSame(await consumer.committed(0), { offset: 3, metadata: 'so far' }, 'what is committed')
      expectSame(valuesOf(await collect(topic.consumer({ group, autoCommit: false, until: 'end' }))), ['v3', 'v4'], 'the next consumer')
      await consumer.commit({ partition: 0, offset: 1 })
      expectSame((await consumer.committed(0))?.offset, 1, 'a position, committed outside of a loop')
      await consumer.close()
    },
  },
  {
    name: 'commit without a word commits what is done so far',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      const consumer = topic.consumer({ group, autoCommit: false })
      for await (const { value } of consumer) {
        if (value !== 'v3') continue
        await consumer.commit()
        break
      }
      expectSame((await consumer.committed(0))?.offset, 3, 'what is committed with v3 in hand')
      await consumer.close()
    },
  },
  {
    name: 'what is done is committed before a closed consumer has left',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      const consumer = topic.consumer({ group, autoCommitIntervalMs: 60_000 })
      const seen: unknown[] = []
      for await (const { value } of consumer) {
        if (seen.push(value) === 3) soon(() => void consumer.close())
        if (seen.length === 5) break
      }
      await consumer.close()
      const rest = valuesOf(await collect(topic.consumer({ group, until: 'end' })))
      expectSame([...seen.slice(0, 5 - rest.length), ...rest], texts(5), 'what both read, without what was in hand')
    },
  },
  {
    name: 'a commit past the end is LOG_COMMIT_OUT_OF_RANGE',
    run: async (context) => {
      const topic = await textTopic(context)
      const consumer = topic.consumer({ group: context.name('group') })
      await expectCode('LOG_COMMIT_OUT_OF_RANGE', () => consumer.commit({ partition: 0, offset: 1000 }), 'the commit')
      await consumer.close()
    },
  },
  {
    name: 'groups do not know of each other',
    run: async (context) => {
      const topic = await textTopic(context)
      await fill(topic, texts(3))
      for (const group of ['a', 'b']) {
        expectSame(valuesOf(await collect(topic.consumer({ group: context.name(group), until: 'end' }))), texts(3), `group ${group}`)
      }
    },
  },
  {
    name: 'a group goes on after a restart where it was',
    needs: ({ another }) => another !== undefined,
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      await collect(topic.consumer({ group }), 4)
      const log = await context.another()
      const again = await log.topic(defineTopic(topic.name, { value: string }))
      expectSame(valuesOf(await collect(again.consumer({ group, until: 'end' }))), ['v3', 'v4'], 'values')
    },
  },
]

/** How members share, and what they are told. */
export const memberCases: readonly PortableCase[] = [
  {
    name: 'two members share the partitions; when one leaves the other has all, and every record is handled once',
    run: async (context) => {
      const [topic, group] = [await textTopic(context, 4), context.name('group')]
      const seen: string[] = []
      const [one, other] = [new Member(topic, group, seen), new Member(topic, group, seen)]
      await one.has(4)
      const second = other.begin()
      await Promise.all([one.has(2), second.has(2)])
      expectSame([...one.consumer.assignment, ...other.consumer.assignment].sort(), [0, 1, 2, 3], 'all partitions')
      for (const partition of [0, 1, 2, 3]) await fill(topic, [`a${partition}`, `b${partition}`], partition)
      await one.ended()
      await other.ended(() => seen.length >= 8)
      const last = new Member(topic, group, seen)
      await last.has(4)
      for (const partition of [0, 1, 2, 3]) await fill(topic, [`c${partition}`], partition)
      await last.ended(() => seen.length >= 12)
      expectSame(seen.sort(), ['a', 'b', 'c'].flatMap((letter) => [0, 1, 2, 3].map((partition) => `${letter}${partition}`)), 'what was handled')
    },
  },
  {
    name: 'a member is told of its partitions before it gets their records, and before they go',
    run: async (context) => {
      const [topic, group] = [await textTopic(context, 2), context.name('group')]
      for (const partition of [0, 1]) await fill(topic, texts(2), partition)
      const told: string[] = []
      const consumer = topic.consumer({
        group, until: 'end', onAssigned: (partitions) => void told.push(`+${[...partitions].sort().join()}`),
        onRevoked: (partitions) => void told.push(`-${[...partitions].sort().join()}`),
      })
      expectSame([...consumer.assignment], [], 'assignment outside of a loop')
      for await (const { partition } of consumer) told.push(`${partition}`)
      expectSame([told[0], told.slice(1, 5).sort(), told[5]], ['+0,1', ['0', '0', '1', '1'], '-0,1'], 'what it was told')
    },
  },
  {
    name: 'seek inside of onAssigned decides where a partition begins',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      const consumer: PortableGroupConsumer<string, string, number> = topic.consumer({
        group, until: 'end', onAssigned: () => consumer.seek(0, 3),
      })
      expectSame(valuesOf(await collect(consumer)), ['v3', 'v4'], 'values')
    },
  },
  {
    name: 'a member seeks to a time and to the oldest record, and where it sought counts as its place',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await topic.send(texts(4).map((value, index) => ({ value, partition: 0, timestamp: 1000 * index })))
      const seeks = [{ timestamp: 1500 }, undefined, 'earliest'] as const
      const consumer = topic.consumer({ group })
      const seen: unknown[] = []
      for await (const { value } of consumer) {
        const to = seeks[seen.push(value) - 1]
        if (to !== undefined) consumer.seek(0, to)
        if (seen.length === 4) break
      }
      expectSame(seen, ['v0', 'v2', 'v3', 'v0'], 'values')
      expectSame((await consumer.committed(0))?.offset, 0, 'what is committed')
      await consumer.close()
    },
  },
  {
    name: 'a consumer of several topics and patterns is told which topic a record is of',
    run: async (context) => {
      const { log, name } = context
      const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((what) => log.topic(defineTopic(name(what), { partitions: 1, value: string }))))
      for (const topic of [a!, b!, c!]) await fill(topic, [topic.name])
      const escaped = b!.name.replaceAll('.', '\\.')
      const topics = [defineTopic(a!.name, { value: string }), new RegExp(`^${escaped}$`)] as const
      const records: PortableRecord<unknown, unknown>[] = await collect(log.consumer({ group: name('group'), topics, until: 'end' }))
      expectSame(records.map(({ topic }) => topic).sort(), [a!.name, b!.name].sort(), 'topics')
      expectSame(records.find(({ topic }) => topic === a!.name)?.value, a!.name, 'the value of the topic that is defined')
    },
  },
  {
    name: 'a static member that begins again under its instanceId puts the one before out: LOG_MEMBER_FENCED',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(1))
      const first = topic.consumer({ group, instanceId: 'one' })
      let begun = (): void => {}
      const reading = new Promise<void>((resolve) => { begun = resolve })
      const fenced = expectCode('LOG_MEMBER_FENCED', async () => { for await (const { value } of first) if (value === 'v0') begun() }, 'the first')
      await reading
      await collect(topic.consumer({ group, instanceId: 'one', until: 'end' }))
      await fill(topic, ['wakes'])
      await fenced
    },
  },
  {
    name: 'a signal ends the loop of a member with its reason, and the member has left',
    run: async (context) => {
      const [topic, group] = [await textTopic(context), context.name('group')]
      await fill(topic, texts(1))
      const controller = new AbortController()
      const reason = new Error('enough')
      const loop = async (): Promise<void> => {
        for await (const { value } of topic.consumer({ group, signal: controller.signal })) if (value === 'v0') soon(() => controller.abort(reason))
      }
      expectSame(await failureOf(loop, 'the loop'), reason, 'what it throws')
      expectSame((await context.log.groups.describe(group)).members.length, 0, 'members')
    },
  },
]

/** Looking at groups, setting them back, deleting them. */
export const groupCases: readonly PortableCase[] = [
  {
    name: 'groups are listed and described, with their members and what those have',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context, 2), context.name('group')]
      await fill(topic, texts(1))
      for await (const record of topic.consumer({ group })) {
        const { members, state } = await log.groups.describe(group)
        const partitions = members.flatMap((member) => member.partitions)
        expectSame([record.value, state, partitions], ['v0', 'Stable', [0, 1].map((partition) => ({ topic: topic.name, partition }))], 'described')
        break
      }
      const listed = (await log.groups.list()).find((one) => one.group === group)
      expectSame([listed?.state, (await log.groups.describe(group)).members.length], ['Empty', 0], 'after the loop')
    },
  },
  {
    name: 'the lag is what is between what a group committed and the end',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context), context.name('group')]
      await fill(topic, texts(5))
      const consumer = topic.consumer({ group })
      await consumer.commit({ partition: 0, offset: 2 })
      await consumer.close()
      const [lag, ...more] = await log.groups.lag(group)
      expectSame([lag?.topic, lag?.partition, lag?.committed, lag?.end, lag?.lag, more.length], [topic.name, 0, 2, 5, 3, 0], 'lag')
    },
  },
  {
    name: 'a group that there is not is LOG_GROUP_NOT_FOUND',
    run: async ({ log, name }) => {
      await expectCode('LOG_GROUP_NOT_FOUND', () => log.groups.describe(name('none')), 'describe')
      await expectCode('LOG_GROUP_NOT_FOUND', () => log.groups.lag(name('none')), 'lag')
      await expectCode('LOG_GROUP_NOT_FOUND', () => log.groups.delete(name('none')), 'delete')
    },
  },
  {
    name: 'resetOffsets with dryRun tells what would be done and does nothing; without, the next consumer begins there',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context, 2), context.name('group')]
      for (const partition of [0, 1]) await fill(topic, texts(4), partition)
      await collect(topic.consumer({ group, until: 'end' }))
      const to = { offset: 3 }
      const asked = { topic: topic.name, partitions: [1], to }
      const told = [{ topic: topic.name, partition: 1, from: 4, to: 3 }]
      expectSame(await log.groups.resetOffsets(group, { ...asked, dryRun: true }), told, 'the dry run')
      expectSame(await collect(topic.consumer({ group, until: 'end' })), [], 'records after the dry run')
      expectSame(await log.groups.resetOffsets(group, asked), told, 'the reset')
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), ['v3'], 'values after the reset')
    },
  },
  {
    name: 'resetOffsets takes the earliest, the latest and a time, and begins groups that there were not',
    run: async (context) => {
      const [{ log }, topic] = [context, await textTopic(context)]
      await topic.send(texts(4).map((value, index) => ({ value, timestamp: 1_600_000_000_000 + index })))
      const begins = async (to: 'earliest' | 'latest' | { readonly timestamp: number }): Promise<unknown> => {
        const group = context.name('group')
        const [reset] = await log.groups.resetOffsets(group, { topic: topic.name, to })
        const values = valuesOf(await collect(topic.consumer({ group, from: 'latest', until: 'end' })))
        return [reset?.to, values]
      }
      expectSame(await begins('earliest'), [0, texts(4)], 'earliest')
      expectSame(await begins('latest'), [4, []], 'latest')
      expectSame(await begins({ timestamp: 1_600_000_000_002 }), [2, ['v2', 'v3']], 'a time')
    },
  },
  {
    name: 'a group that has members is not set back and not deleted: LOG_GROUP_NOT_EMPTY',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context), context.name('group')]
      await fill(topic, texts(1))
      for await (const { value } of topic.consumer({ group })) {
        expectSame(value, 'v0', 'value')
        await expectCode('LOG_GROUP_NOT_EMPTY', () => log.groups.resetOffsets(group, { topic: topic.name, to: 'latest' }), 'resetOffsets')
        await expectCode('LOG_GROUP_NOT_EMPTY', () => log.groups.delete(group), 'delete')
        break
      }
    },
  },
  {
    name: 'a group that is deleted is forgotten with what it committed',
    run: async (context) => {
      const [{ log }, topic, group] = [context, await textTopic(context), context.name('group')]
      await fill(topic, texts(2))
      await collect(topic.consumer({ group, until: 'end' }))
      await log.groups.delete(group)
      expectSame((await log.groups.list()).some((one) => one.group === group), false, 'whether it is listed')
      expectSame(valuesOf(await collect(topic.consumer({ group, until: 'end' }))), texts(2), 'values of a new group of its name')
    },
  },
]

/** A consumer that reads until it is told to end. */
class Member {
  consumer!: PortableGroupConsumer<string, string, number>
  readonly #topic: TextTopic
  readonly #group: string
  readonly #seen: string[]
  #owned = 0
  #wake: () => void = () => {}
  #loop: Promise<void> | undefined

  constructor(topic: TextTopic, group: string, seen: string[]) {
    this.#topic = topic
    this.#group = group
    this.#seen = seen
  }

  begin(): this {
    this.#loop ??= this.#run()
    return this
  }

  /** Resolves when it has so many partitions. */
  async has(count: number): Promise<void> {
    this.begin()
    await this.#until(() => this.#owned === count)
  }

  /** Closes it once `done` is true, and waits until it has left. */
  async ended(done: () => boolean = () => true): Promise<void> {
    await this.#until(done)
    await this.consumer.close()
    await this.#loop
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const changed = new Promise<void>((resolve) => { this.#wake = resolve })
      await Promise.race([changed, this.#loop!.then(() => Promise.reject(new Error('the loop ended')))])
    }
  }

  async #run(): Promise<void> {
    this.consumer = this.#topic.consumer({
      group: this.#group, onAssigned: (partitions) => this.#changed(partitions.length),
      onRevoked: (partitions) => this.#changed(-partitions.length), onLost: (partitions) => this.#changed(-partitions.length),
    })
    for await (const { value } of this.consumer) {
      this.#seen.push(value!)
      this.#wake()
    }
  }

  #changed(by: number): void {
    this.#owned += by
    this.#wake()
  }
}
