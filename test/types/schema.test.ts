import { expect, expectTypeOf, test } from 'vitest'
import { decodeOffsetsRecord, encodeOffsetsRecord, type OffsetsRecord } from '../../src/format/consumer-offsets.ts'
import {
  array, bigint64, boolean, bytes, int32, message, string, struct, type Decoded, type Encodable,
} from '../../src/format/schema.ts'

const shape = message('Shape', { versions: [0, 2], flexible: 2 }, {
  name: string(),
  note: string({ since: 1, nullable: 1, default: null, ignorable: true }),
  ids: array(int32()),
  data: bytes({ since: 1, nullable: 1, default: null }),
  inner: struct({ flag: boolean() }, { since: 1, nullable: 1, default: null }),
  producerId: bigint64(),
  topics: array({ topic: string(), partitions: array({ partition: int32(), epoch: int32({ default: -1 }) }) }, { nullable: 1 }),
})
type Shape = Decoded<typeof shape>

test('what decode gives and encode takes follow from the declaration', () => {
  expectTypeOf<Shape>().toEqualTypeOf<{
    name: string
    note: string | null
    ids: number[]
    data: Buffer | null
    inner: { flag: boolean } | null
    producerId: bigint
    topics: { topic: string; partitions: { partition: number; epoch: number }[] }[] | null
  }>()
  expectTypeOf<Encodable<typeof shape>>().toEqualTypeOf<{
    readonly name: string
    readonly ids: readonly number[]
    readonly producerId: bigint
    readonly topics: readonly { readonly topic: string; readonly partitions: readonly Partition[] }[] | null
    readonly note?: string | null | undefined
    readonly data?: Uint8Array | null | undefined
    readonly inner?: { readonly flag: boolean } | null | undefined
  }>()
  expectTypeOf<Shape>().toExtend<Encodable<typeof shape>>()
})

interface Partition {
  readonly partition: number
  readonly epoch?: number | undefined
}

test('a wrong field does not compile', () => {
  const value = { name: 'a', ids: [], producerId: 1n, topics: null }
  const wrong = (decoded: Shape): unknown[] => [
    shape.encode(1, { ...value, note: undefined }),
    // @ts-expect-error a misspelt field
    shape.encode(1, { name: 'a', ids: [], producerId: 1n, topics: null, nmae: 'a' }),
    // @ts-expect-error a field without a default is missing
    shape.encode(1, { name: 'a', producerId: 1n, topics: null }),
    // @ts-expect-error a number where a string belongs
    shape.encode(1, { ...value, name: 1 }),
    // @ts-expect-error a number where a bigint belongs
    shape.encode(1, { ...value, producerId: 1 }),
    // @ts-expect-error null where the field is never null
    shape.encode(1, { ...value, name: null }),
    // @ts-expect-error a wrong field deep inside
    shape.encode(1, { ...value, topics: [{ topic: 't', partitions: [{ partion: 1 }] }] }),
    // @ts-expect-error a default of another type
    int32({ default: 'zero' }),
    // @ts-expect-error numbers are never null
    array(int32({ default: null })),
    // @ts-expect-error decode gives what was declared and nothing else
    decoded.offset,
  ]
  expect(wrong).toBeTypeOf('function')
})

test('the kind of a record of an internal topic tells the types of its key and value', () => {
  const check = (record: OffsetsRecord): void => {
    if (record.kind === 'offsetCommit') expectTypeOf(record.value).toEqualTypeOf<OffsetCommit | null>()
    if (record.kind === 'consumerGroupMetadata') expectTypeOf(record.key).toEqualTypeOf<{ groupId: string }>()
  }
  // @ts-expect-error the key of another kind
  const wrong = (): unknown => encodeOffsetsRecord({ kind: 'groupMetadata', key: { group: 'g', topic: 't', partition: 1 }, value: null })
  expect([check, wrong, decodeOffsetsRecord]).toHaveLength(3)
})

interface OffsetCommit {
  offset: number
  leaderEpoch: number
  metadata: string
  commitTimestamp: number
  expireTimestamp: number
}
