import { expectTypeOf, test } from 'vitest'
import {
  bytes, type Codec, CommitLog, defineTopic, json, type LogRecord, msgpack, type SendResult, type StandardSchema, string, type Topic,
  type TopicDefinition,
} from '../../src/index.ts'

interface Order {
  readonly total: number
}

declare const log: CommitLog
declare const schema: StandardSchema<{ total?: number }, Order>

test('keys are text and values unknown when nothing is said', () => {
  expectTypeOf(defineTopic('t')).toEqualTypeOf<TopicDefinition<string, unknown>>()
  expectTypeOf(() => log.topic('t')).returns.resolves.toEqualTypeOf<Topic<string, unknown>>()
})

test('types follow from codecs', () => {
  expectTypeOf(defineTopic('t', { value: json<Order>() })).toEqualTypeOf<TopicDefinition<string, Order>>()
  expectTypeOf(defineTopic('t', { key: bytes, value: msgpack<Order>() })).toEqualTypeOf<TopicDefinition<Uint8Array, Order>>()
  expectTypeOf(() => json(schema)).returns.toEqualTypeOf<Codec<Order>>()
  expectTypeOf(() => msgpack(schema)).returns.toEqualTypeOf<Codec<Order>>()
  expectTypeOf(string).toEqualTypeOf<Codec<string>>()
  expectTypeOf(() => log.topic('t', { value: json<Order>() })).returns.resolves.toEqualTypeOf<Topic<string, Order>>()
})

declare const orders: Topic<string, Order>

test('records are typed from end to end, tombstones included', () => {
  expectTypeOf(() => orders.send({ key: 'k', value: { total: 1 } })).returns.resolves.toEqualTypeOf<SendResult>()
  expectTypeOf(() => orders.send([{ value: null }])).returns.resolves.toEqualTypeOf<SendResult[]>()
  expectTypeOf(() => orders.partition(0).append({ value: null })).returns.toEqualTypeOf<number>()
  expectTypeOf(() => [...orders.partition(0).read()]).returns.toEqualTypeOf<LogRecord<string, Order>[]>()
  expectTypeOf<LogRecord<string, Order>['value']>().toEqualTypeOf<Order | null>()
  expectTypeOf<LogRecord<string, Order>['key']>().toEqualTypeOf<string | null>()
})

test('what does not fit is refused', () => {
  () => [
    // @ts-expect-error a key of another type
    orders.send({ key: 5, value: { total: 1 } }),
    // @ts-expect-error a value of another type
    orders.send({ value: { total: '1' } }),
    // @ts-expect-error no value
    orders.send({ key: 'k' }),
    // @ts-expect-error an unknown option
    CommitLog.open('x', { durable: true }),
    // @ts-expect-error an unknown durability
    CommitLog.open('x', { durability: 'fsync' }),
    // @ts-expect-error an unknown setting
    defineTopic('t', { segmentSize: 1 }),
    // @ts-expect-error a header that is a number
    orders.send({ value: null, headers: { a: 5 } }),
  ]
})
