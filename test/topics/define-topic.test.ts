import { expect, test } from 'vitest'
import { bytes, defineTopic, json, msgpack, string } from '../../src/index.ts'

test('a definition is a frozen value with codecs, partitions and the settings that were given', () => {
  const topic = defineTopic('orders', { partitions: 3, key: bytes, value: json(), retentionMs: Infinity, segmentBytes: 1_000_000 })
  expect(topic).toEqual({ name: 'orders', partitions: 3, key: bytes, value: json(), settings: { retentionMs: Infinity, segmentBytes: 1_000_000 } })
  expect(Object.isFrozen(topic) && Object.isFrozen(topic.settings)).toBe(true)
})

test('keys are text and values msgpack when nothing is said', () => {
  expect(defineTopic('t')).toEqual({ name: 't', partitions: undefined, key: string, value: msgpack(), settings: {} })
})

for (const [name, message] of [
  ['', 'a topic needs a name: a string that is not empty'],
  ['..', '".." is not a topic name: use a-z A-Z 0-9 . _ - and not "." or ".."'],
  ['a/b', '"a/b" is not a topic name: use a-z A-Z 0-9 . _ - and not "." or ".."'],
  ['größe', /is not a topic name/],
  ['x'.repeat(250), 'a topic name has at most 249 characters, this one 250'],
  [5, /needs a name/],
] as const) {
  test(`the name ${JSON.stringify(name).slice(0, 20)} is refused`, () => {
    expect(() => defineTopic(name as string)).toThrow(TypeError)
    expect(() => defineTopic(name as string)).toThrow(message)
  })
}

for (const [options, message] of [
  [{ partitions: 0 }, 'partitions of topic "t" is an integer from 1 to 10000, not 0'],
  [{ partitions: '3' }, 'partitions of topic "t" is an integer, not the string "3"'],
  [{ segmentSize: 1 }, 'unknown option "segmentSize" for topic "t": did you mean "segmentBytes"?'],
  [{ 'retention.ms': 1 }, 'unknown option "retention.ms" for topic "t": did you mean "retentionMs"?'],
  [{ cleanupPolicy: 'compacted' }, /cleanupPolicy of topic "t" is one of 'delete', 'compact', 'compact,delete'/],
  [{ compressionType: 'brotli' }, /compressionType of topic "t" is one of/],
  [{ retentionMs: -1 }, 'retentionMs of topic "t" is an integer of at least 0, or Infinity, not -1'],
  [{ maxMessageBytes: 1e12 }, /maxMessageBytes of topic "t" is an integer from 100 to 2147483647/],
  [{ value: json }, 'the value codec of topic "t" is a function: call it, as in json() or msgpack()'],
  [{ key: {} }, 'the key codec of topic "t" has a name, encode and decode; this is an object'],
  [{ key: null }, /the key codec of topic "t" has a name, encode and decode; this is null/],
] as const) {
  test(`the options ${JSON.stringify(options)} are refused`, () => {
    expect(() => defineTopic('t', options as never)).toThrow(message)
  })
}
