import { expectTypeOf, test } from 'vitest'
import {
  CommitLog, type KeyOf, type LogConsumerOptions, type Place, type PortableConsumer, type PortableGroupConsumer, type PortableGroupConsumerOptions,
  type PortableGroups, type PortableLog, type PortableProducer, type PortableTopic, type PortableTransaction, type SubscribedTopic,
  type TopicDefinition, type ValueOf,
} from '../../src/index.ts'
import { type ClusterLog } from '../../src/cluster/index.ts'
import { examples, Orders, type Order } from './portable-examples.ts'

/** A log of which only the types exist: as far from ours as the contract allows. */
declare class StubLog implements PortableLog {
  topic<K, V>(definition: TopicDefinition<K, V>): Promise<StubTopic<K, V>>
  topics(): Promise<{ name: string; partitions: number }[]>
  readonly groups: PortableGroups
  consumer<const T extends readonly SubscribedTopic[]>(
    options: Omit<LogConsumerOptions<T>, 'ref'>,
  ): PortableGroupConsumer<KeyOf<T[number]>, ValueOf<T[number]>, Place>
  transaction<T>(work: (transaction: PortableTransaction) => Promise<T> | T): Promise<T>
  beginTransaction(): Promise<PortableTransaction>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

declare class StubTopic<K, V> implements PortableTopic<K, V> {
  readonly name: string
  readonly partitionCount: number
  send: PortableTopic<K, V>['send']
  producer(): PortableProducer<K, V>
  consumer(options: PortableGroupConsumerOptions<number>): PortableGroupConsumer<K, V, number>
  consumer(): PortableConsumer<K, V>
  consume: PortableTopic<K, V>['consume']
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

test('every portable example compiles against the local log, a cluster and a stub', () => {
  type Example = (typeof examples)[keyof typeof examples]
  expectTypeOf<ClusterLog>().toExtend<Parameters<Example>[0]>()
  expectTypeOf<CommitLog>().toExtend<Parameters<Example>[0]>()
  expectTypeOf<StubLog>().toExtend<Parameters<Example>[0]>()
})

test('what a local log adds is not portable', () => {
  expectTypeOf<PortableTopic<string, Order>>().not.toHaveProperty('partition')
  expectTypeOf<PortableLog>().not.toHaveProperty('stats')
})

test('records of several topics have the types of their definitions', () => {
  type Values = ValueOf<typeof Orders | string>
  expectTypeOf<ValueOf<typeof Orders>>().toEqualTypeOf<Order>()
  expectTypeOf<KeyOf<typeof Orders>>().toEqualTypeOf<string>()
  expectTypeOf<Values>().toEqualTypeOf<unknown>()
})

test('definitions carry their types', () => {
  expectTypeOf(Orders).toEqualTypeOf<TopicDefinition<string, Order>>()
})
