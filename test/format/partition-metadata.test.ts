import { expect, test } from 'vitest'
import { encodePartitionMetadata, parsePartitionMetadata } from '../../src/format/partition-metadata.ts'

const topicId = Uint8Array.from(Buffer.from('0123456789abcdef1122334455667788', 'hex'))
const text = 'version: 0\ntopic_id: ASNFZ4mrze8RIjNEVWZ3iA'

test('the file is two lines, the last one without its end, and is read with one too', () => {
  expect(String(encodePartitionMetadata(topicId))).toBe(text)
  for (const written of [text, `${text}\n`, text.replace('\n', '\r\n')]) {
    expect(parsePartitionMetadata(Buffer.from(written), 'a file')).toEqual(topicId)
  }
})

test("the id of Kafka's own metadata topic is an id", () => {
  const written = Buffer.from('version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ')
  expect(encodePartitionMetadata(parsePartitionMetadata(written, 'a file'))).toEqual(written)
})

test.each([
  '', 'version: 0', 'version: 0\n', 'version: x\ntopic_id: ASNFZ4mrze8RIjNEVWZ3iA', 'version: 0\ntopic_id: ', 'version: 0\ntopic_id: short',
  'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA', `${text} x`, `${text}\nmore`, text + ' '.repeat(1000), 'topic_id: ASNFZ4mrze8RIjNEVWZ3iA',
])('%j is corrupt', (written) => {
  expect(() => parsePartitionMetadata(Buffer.from(written), 'a file')).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
})

test('a newer version is refused', () => {
  const written = Buffer.from('version: 1\nsomething: else')
  expect(() => parsePartitionMetadata(written, 'a file')).toThrow(expect.objectContaining({ code: 'LOG_VERSION_UNSUPPORTED' }))
})
