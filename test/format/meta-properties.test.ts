import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeMetaProperties, parseMetaProperties, parseProperties } from '../../src/format/meta-properties.ts'

test('a file that Kafka wrote is read', () => {
  const text = '#\n#Sun Nov 22 15:18:41 UTC 2026\nnode.id=1\ndirectory.id=cAV-TKmvntJwOSWeeiGYIA\nversion=1\ncluster.id=Y29tbWl0bG9nLWZpeHR1cg\n'
  const expected = { clusterId: 'Y29tbWl0bG9nLWZpeHR1cg', nodeId: 1, directoryId: 'cAV-TKmvntJwOSWeeiGYIA' }
  expect(parseMetaProperties(Buffer.from(text), 'a file')).toEqual(expected)
})

test('a file of version 0 calls its node a broker and may lack everything', () => {
  expect(parse('version=0\nbroker.id=3\n')).toEqual({ clusterId: undefined, nodeId: 3, directoryId: undefined })
  expect(parse('version=0\n')).toEqual({ clusterId: undefined, nodeId: undefined, directoryId: undefined })
})

test('what is written is read back, whatever the cluster is called', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(text, fc.nat(), fc.option(text, { nil: undefined }), (clusterId, nodeId, directoryId) => {
      const bytes = encodeMetaProperties({ clusterId, nodeId, ...(directoryId === undefined ? {} : { directoryId }) })
      expect(parseMetaProperties(bytes, 'a file')).toEqual({ clusterId, nodeId, directoryId })
    }),
  )
})

test.each([
  ['a=b', 'a', 'b'],
  ['a = b', 'a', 'b'],
  ['a : b', 'a', 'b'],
  ['a b', 'a', 'b'],
  ['a', 'a', ''],
  ['  a=  b  ', 'a', 'b  '],
  ['a==b', 'a', '=b'],
  ['a\\=b=c', 'a=b', 'c'],
  ['a\\ b=c', 'a b', 'c'],
  ['a=\\u0041\\t\\q', 'a', 'A\tq'],
  ['a=b\\\n   c\\\n d', 'a', 'bcd'],
  ['a=b\\\\\nc=d', 'a', 'b\\'],
  ['a=1\na=2', 'a', '2'],
  ['a=b\\', 'a', 'b'],
  ['!no\n#no\n\na=b', 'a', 'b'],
])('the properties %j are read as Java reads them', (text, key, value) => expect(parseProperties(text).get(key)).toBe(value))

test.each([
  '', 'cluster.id=a\nnode.id=1', 'version=1\nnode.id=1', 'version=1\ncluster.id=a', 'version=1\ncluster.id=a\nnode.id=x', 'version=-1',
  'version=1\ncluster.id=a\nnode.id=2147483648',
])('%j is corrupt', (text) => expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' })))

test('a newer version is refused', () => {
  expect(() => parse('version=2\n')).toThrow(expect.objectContaining({ code: 'LOG_VERSION_UNSUPPORTED' }))
})

test('a file too large for a handful of lines is refused unread, and one of nothing but continued lines ends soon', () => {
  expect(() => parse(' '.repeat(65_537))).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
  expect(() => parse('\\\n'.repeat(32_000))).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
  expect(() => parse('\\'.repeat(65_001))).toThrow(expect.objectContaining({ code: 'LOG_FILE_CORRUPT' }))
})

function parse(text: string): ReturnType<typeof parseMetaProperties> {
  return parseMetaProperties(Buffer.from(text), 'a file')
}
