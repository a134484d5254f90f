import { expectTypeOf, test } from 'vitest'
import {
  CommitLog, type PortableConsumer, type PortableLog, type PortableProducer, type PortableTopic, type TopicDefinition,
} from '../../src/index.ts'
import { examples, Orders, type Order } from './portable-examples.ts'

/** A log of which only the types exist: as far from ours as the contract allows. */
declare class StubLog implements PortableLog {
  topic<K, V>(definition: TopicDefinition<K, V>): Promise<StubTopic<K, V>>
  topics(): Promise<{ name: string; partitions: number }[]>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

declare class StubTopic<K, V> implements PortableTopic<K, V> {
  readonly name: string
  readonly partitionCount: number
  send: PortableTopic<K, V>['send']
  producer(): PortableProducer<K, V>
  consumer(): PortableConsumer<K, V>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

test('every portable example compiles against the local log and against a stub', () => {
  type Example = (typeof examples)[keyof typeof examples]
  expectTypeOf<CommitLog>().toExtend<Parameters<Example>[0]>()
  expectTypeOf<StubLog>().toExtend<Parameters<Example>[0]>()
})

test('what a local log adds is not portable', () => {
  expectTypeOf<PortableTopic<string, Order>>().not.toHaveProperty('partition')
  expectTypeOf<PortableLog>().not.toHaveProperty('stats')
})

test('definitions carry their types', () => {
  expectTypeOf(Orders).toEqualTypeOf<TopicDefinition<string, Order>>()
})
