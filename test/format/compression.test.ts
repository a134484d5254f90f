import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import fc from 'fast-check'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { decodeBatch } from '../../src/format/batch.ts'
import {
  checkCompressionLevel, compress, compressionNames, decompress, type CompressionName,
} from '../../src/format/compression.ts'
import { expectedRecords, fixture, fixtureBatches } from '../tools/fixtures.ts'
import { golden } from '../tools/golden.ts'
import { damaged, damages } from '../tools/hostile.ts'

/** What this Node and the installed packages can do: zstd takes Node 22.15 or an optional package. */
const here = compressionNames.filter((name) => {
  try {
    return compress(name, Buffer.from('x')).length > 0
  } catch (error) {
    if (isLogError(error, 'LOG_CODEC_MISSING')) return false
    throw error
  }
})
const framed = here.filter((name) => name !== 'none')
const zstdHere = here.includes('zstd')

// Kafka's bytes --------------------------------------------------------------------------------------------------------------------------

test('the numbers of the compressions are those in the attributes of a batch', () => {
  expect(compressionNames.map((name, id) => `${id} ${name}`)).toEqual(['0 none', '1 gzip', '2 snappy', '3 lz4', '4 zstd'])
})

test.each(framed)("what Kafka's own classes compressed with %s decompresses", (name) => {
  const plain = golden('batch-v2', 'uncompressed').subarray(61)
  expect(decompress(name, golden('batch-v2', name).subarray(61)).equals(plain)).toBe(true)
})

for (const name of ['mixed', 'foreign']) {
  test(`every record of the ${name} fixture is what Kafka's consumer read`, () => {
    const expected = expectedRecords(name)
    const batches = fixtureBatches(name).filter(({ bytes }) => zstdHere || compressionNames[bytes[22]! & 7] !== 'zstd')
    let count = 0
    for (const { topic, partition, bytes } of batches) {
      for (const record of decodeBatch(bytes, 0, bytes.length).records) {
        const line = expected.get(`${topic}-${partition}@${record.offset}`)
        expect({ key: base64(record.key), value: base64(record.value) }).toEqual({ key: line?.key, value: line?.value })
        count++
      }
    }
    if (zstdHere) expect(count).toBe(expected.size)
    else expect(count).toBeGreaterThan(0)
  })
}

test.each([
  { name: 'snappy', size: 210_336, hash: '94347c8a1a9c612ae4bff33f07fb866ebc18d230978bd09009e392c5d5233d7e' },
  { name: 'lz4', size: 203_095, hash: '12d1e93d2ba5d89ce3e6e3c82850cbb3d6329ad36809e71a1557db4746192904' },
  { name: 'zstd', size: 229_650, hash: 'e3ee52288748dac3fdb7c4a4e096fac7371f96db2ed514a42dbba884fe78e357' },
] as const)("a batch that Kafka compressed with $name in several blocks is read", ({ name, size, hash }) => {
  if (!here.includes(name)) return
  const plain = decompress(name, fixture(`${name}/blocks.batch`).subarray(61))
  expect({ size: plain.length, hash: createHash('sha256').update(plain).digest('hex') }).toEqual({ size, hash })
})

// Round trips ----------------------------------------------------------------------------------------------------------------------------

/** Nothing, noise, text, runs, and pieces of them in turn. */
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ size: 'max', maxLength: 70_000 }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 0, max: 200_000 })).map(([unit, size]) => Buffer.alloc(size, unit)),
  fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 300 })), { maxLength: 12 })
    .map((parts) => Buffer.concat(parts.map(([unit, times]) => Buffer.alloc(unit.length * times, unit)))),
)

test.each(here)('what %s compressed decompresses to the same bytes, with exactly that limit', (name) => {
  fc.assert(fc.property(payloads, (plain) => {
    expect(decompress(name, compress(name, plain), plain.length).equals(plain)).toBe(true)
  }), { numRuns: 60 })
})

test.each(here)('%s carries several megabytes of noise and of text', (name) => {
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 13))
  const lines = Array.from({ length: 40_000 }, (_, i) => `{"id":${i},"customer":"c-${i % 97}","amount":${(i * 31) % 1000}}`)
  const text = Buffer.from(lines.join('\n'))
  for (const plain of [noise, text, Buffer.concat([text, noise, text])]) {
    expect(decompress(name, compress(name, plain)).equals(plain)).toBe(true)
  }
  if (name !== 'none') expect(compress(name, text).length).toBeLessThan(text.length / 2)
})

test('a view into a larger buffer is compressed and decompressed as that view', () => {
  const around = Buffer.from(`>>>${'record '.repeat(50)}<<<`)
  const plain = new Uint8Array(around.buffer, around.byteOffset + 3, around.length - 6)
  for (const name of here) {
    const packed = compress(name, plain)
    const placed = Buffer.concat([Buffer.from('..'), packed, Buffer.from('..')])
    expect(decompress(name, placed.subarray(2, -2)).equals(plain)).toBe(true)
  }
})

// Limits and damage ----------------------------------------------------------------------------------------------------------------------

test.each(here)('%s that decompresses to one byte more than the limit is LOG_DECOMPRESSED_TOO_LARGE', (name) => {
  for (const size of [1, 1000, 200_000]) {
    const packed = compress(name, Buffer.alloc(size, 'abc'))
    expect(code(() => decompress(name, packed, size - 1))).toBe('LOG_DECOMPRESSED_TOO_LARGE')
    expect(decompress(name, packed, size).length).toBe(size)
  }
})

test.each(framed)('a %s bomb is refused at the limit', (name) => {
  const bomb = compress(name, Buffer.alloc(64 * 1024 * 1024))
  expect(code(() => decompress(name, bomb, 1024 * 1024))).toBe('LOG_DECOMPRESSED_TOO_LARGE')
  expect(code(() => decompress(name, Buffer.concat([bomb, bomb])))).toMatch(/LOG_DECOMPRESSED_TOO_LARGE|LOG_COMPRESSED_CORRUPT/)
})

test.each(framed)('damaged %s gives a LogError or bytes within the limit', (name) => {
  const values = Array.from({ length: 400 }, (_, i) => `v${i}`).join('')
  const samples = [Buffer.from('short'), Buffer.alloc(70_000, 'compressible '), Buffer.from(values)]
  const packed = samples.map((plain) => compress(name, plain))
  fc.assert(fc.property(fc.constantFrom(...packed), damages, (bytes, changes) => {
    expectBytesOrLogError(() => decompress(name, damaged(bytes, changes), 100_000))
  }), { numRuns: 400 })
})

test.each(framed)('random bytes given to %s are a LogError or bytes within the limit', (name) => {
  const start = compress(name, Buffer.from('start')).subarray(0, 8)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(8), (bytes, kept) => {
    expectBytesOrLogError(() => decompress(name, Buffer.concat([start.subarray(0, kept), bytes]), 100_000))
  }), { numRuns: 400 })
})

test.each(framed)('no bytes at all are not %s', (name) => {
  expect(code(() => decompress(name, Buffer.alloc(0)))).toBe('LOG_COMPRESSED_CORRUPT')
})

test.each(framed)('%s that is cut anywhere is LOG_COMPRESSED_CORRUPT', (name) => {
  const packed = compress(name, Buffer.from('a batch of records '.repeat(20)))
  for (let size = 1; size < packed.length; size++) {
    // A snappy stream may end behind its header, or behind any block: its length is in the batch.
    if (name === 'snappy' && size === 16) continue
    expect([size, code(() => decompress(name, packed.subarray(0, size)))]).toEqual([size, 'LOG_COMPRESSED_CORRUPT'])
  }
})

// Levels ---------------------------------------------------------------------------------------------------------------------------------

test('levels are those of Kafka, and others are a RangeError', () => {
  const plain = Buffer.from('level '.repeat(2000))
  const levels = { gzip: [-1, 1, 9], lz4: [1, 9, 17], zstd: [-131_072, -1, 0, 3, 19, 22] } as const
  for (const [name, list] of Object.entries(levels) as [CompressionName, readonly number[]][]) {
    for (const level of list.filter(() => here.includes(name))) expect(decompress(name, compress(name, plain, level)).equals(plain)).toBe(true)
  }
  const refused = [
    ['gzip', 0], ['gzip', 10], ['gzip', 1.5], ['lz4', 0], ['lz4', 18], ['zstd', 23], ['zstd', -131_073],
    ['zstd', NaN], ['snappy', 1], ['none', 1],
  ]
  for (const [name, level] of refused as [CompressionName, number][]) {
    expect(() => checkCompressionLevel(name, level)).toThrow(RangeError)
    expect(() => compress(name, plain, level)).toThrow(RangeError)
  }
})

test('a higher level compresses more', () => {
  const plain = Buffer.from(Array.from({ length: 5000 }, (_, i) => `${i * 7919 % 1000} customer ${i % 13};`).join(''))
  expect(compress('gzip', plain, 9).length).toBeLessThan(compress('gzip', plain, 1).length)
  if (zstdHere) expect(compress('zstd', plain, 19).length).toBeLessThan(compress('zstd', plain, -10).length)
})

// Framings of others ---------------------------------------------------------------------------------------------------------------------

test('several gzip members are one stream', () => {
  const members = Buffer.concat([zlib.gzipSync('one '), zlib.gzipSync(''), zlib.gzipSync('two')])
  expect(decompress('gzip', members).toString()).toBe('one two')
})

test.runIf(zstdHere)('several zstd frames are one stream, whatever this Node makes of them, and skippable frames are skipped', () => {
  const skippable = Buffer.from('5a2a4d1803000000abcdef', 'hex')
  const frames = ['one ', '', 'two'].map((text) => compress('zstd', Buffer.from(text)))
  expect(decompress('zstd', Buffer.concat([skippable, ...frames, skippable, frames[0]!])).toString()).toBe('one twoone ')
  expect(decompress('zstd', Buffer.concat(frames), 7).toString()).toBe('one two')
  expect(code(() => decompress('zstd', Buffer.concat(frames), 6))).toBe('LOG_DECOMPRESSED_TOO_LARGE')
  expect(code(() => decompress('zstd', Buffer.concat([...frames, Buffer.from('no frame')])))).toBe('LOG_COMPRESSED_CORRUPT')
})

// Optional packages ----------------------------------------------------------------------------------------------------------------------

test('without any package snappy and lz4 are read, and writing them names what to install', () => {
  const plain = Buffer.from('read without a package '.repeat(30))
  const packed = { snappy: compress('snappy', plain).toString('base64'), lz4: compress('lz4', plain).toString('base64') }
  const report = runBuilt('', `
    const { compress, decompress } = await import('./format/compression.js')
    const packed = ${JSON.stringify(packed)}
    const failing = (name) => {
      try { compress(name, Buffer.from('x')) } catch (error) { return [error.code, error.message, error.detail.package] }
    }
    console.log(JSON.stringify({
      read: Object.entries(packed).map(([name, bytes]) => decompress(name, Buffer.from(bytes, 'base64')).toString()),
      snappy: failing('snappy'), lz4: failing('lz4'), zstd: failing('zstd'), gzip: failing('gzip'),
    }))`)
  expect(report.read).toEqual([plain.toString(), plain.toString()])
  expect(report.snappy).toEqual(['LOG_CODEC_MISSING', expect.stringContaining('npm install snappy'), 'snappy'])
  expect(report.lz4).toEqual(['LOG_CODEC_MISSING', expect.stringContaining('npm install lz4-napi'), 'lz4-napi'])
  if (typeof zlib.zstdCompressSync === 'function') expect(report.zstd).toBeUndefined()
  else expect(report.zstd).toEqual(['LOG_CODEC_MISSING', expect.stringContaining('npm install'), expect.stringContaining('zstd')])
  expect(report.gzip).toBeUndefined()
})

test('an optional package is loaded when something is written with it, and not before', () => {
  const report = runBuilt(fileURLToPath(new URL('../../node_modules', import.meta.url)), `
    import { createRequire } from 'node:module'
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).length
    const { compress, decompress } = await import('./format/compression.js')
    const imported = loaded()
    decompress('gzip', compress('gzip', Buffer.from('x')))
    decompress('snappy', Buffer.from('030878797a', 'hex'))
    const read = loaded()
    compress('snappy', Buffer.from('x'))
    console.log(JSON.stringify({ imported, read, written: loaded() > 0 }))`)
  expect(report).toEqual({ imported: 0, read: 0, written: true })
})

/** The JSON that a script prints beside the compiled base and format folders. There are no packages but those in `packages`. */
function runBuilt(packages: string, script: string): Record<string, unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'commitlog-compression-'))
  try {
    buildFormat(folder)
    writeFileSync(join(folder, 'check.js'), script)
    const env = { ...process.env, NODE_PATH: packages, NODE_OPTIONS: '' }
    return JSON.parse(execFileSync(process.execPath, ['check.js'], { cwd: folder, encoding: 'utf8', env })) as Record<string, unknown>
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function buildFormat(folder: string): void {
  const options = {
    module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, rewriteRelativeImportExtensions: true, verbatimModuleSyntax: true,
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const floor of ['base', 'format']) {
    mkdirSync(join(folder, floor))
    const source = new URL(`../../src/${floor}/`, import.meta.url)
    for (const file of readdirSync(source).filter((name) => name.endsWith('.ts'))) {
      const { outputText } = ts.transpileModule(readFileSync(new URL(file, source), 'utf8'), { compilerOptions: options })
      writeFileSync(join(folder, floor, file.replace(/\.ts$/, '.js')), outputText)
    }
  }
}

function expectBytesOrLogError(act: () => Buffer): void {
  try {
    expect(act().length).toBeLessThanOrEqual(100_000)
  } catch (error) {
    if (!isLogError(error, 'LOG_COMPRESSED_CORRUPT') && !isLogError(error, 'LOG_DECOMPRESSED_TOO_LARGE')) throw error
  }
}

function code(act: () => unknown): string {
  try {
    act()
    return 'no error'
  } catch (error) {
    return isLogError(error) ? error.code : String(error)
  }
}

function base64(bytes: Buffer | null): string | null {
  return bytes === null ? null : bytes.toString('base64')
}
