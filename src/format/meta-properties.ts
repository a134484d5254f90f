/*
 * The `meta.properties` file in the folder of a Kafka broker: which cluster, node and folder this is. A properties file of Java, of which
 * everything is read that Java reads. Kafka's MetaProperties.
 */
import { LogError } from '../base/errors.ts'

/** Name of the file in the folder of a log. */
export const META_PROPERTIES_FILE = 'meta.properties'

const CURRENT_VERSION = 1
const MAX_BYTES = 64 * 1024
const INT32_MAX = 0x7fff_ffff

/** What the file says. A file of version 0 may lack any of it. */
export interface MetaProperties {
  readonly clusterId: string | undefined
  readonly nodeId: number | undefined
  /** A UUID in Kafka's writing. */
  readonly directoryId: string | undefined
}

/** The bytes of a file of version 1. */
export function encodeMetaProperties(says: { readonly clusterId: string; readonly nodeId: number; readonly directoryId?: string }): Buffer {
  const directory: [string, string][] = says.directoryId === undefined ? [] : [['directory.id', says.directoryId]]
  const properties: [string, string][] = [
    ['version', String(CURRENT_VERSION)],
    ['cluster.id', says.clusterId],
    ['node.id', String(says.nodeId)],
    ...directory,
  ]
  return Buffer.from(properties.map(([key, value]) => `${escaped(key)}=${escaped(value)}\n`).join(''), 'latin1')
}

/**
 * What a file of version 0 or 1 says.
 *
 * @throws LogError `LOG_FILE_CORRUPT` when it cannot be read, or a file of version 1 lacks cluster or node; `LOG_VERSION_UNSUPPORTED`
 */
export function parseMetaProperties(bytes: Uint8Array, path: string): MetaProperties {
  if (bytes.length > MAX_BYTES) throw corrupt(path, `${bytes.length} bytes`)
  const properties = parseProperties(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
  const version = integer(properties, 'version', path)
  if (version === undefined) throw corrupt(path, 'it has no version')
  if (version > CURRENT_VERSION) {
    throw new LogError('LOG_VERSION_UNSUPPORTED', `${path} has version ${version}, known is ${CURRENT_VERSION}`, { path, version })
  }
  const clusterId = properties.get('cluster.id')
  const nodeId = integer(properties, version === 0 ? 'broker.id' : 'node.id', path)
  if (version === CURRENT_VERSION && (clusterId === undefined || nodeId === undefined)) throw corrupt(path, 'it has no cluster.id or node.id')
  return { clusterId, nodeId, directoryId: properties.get('directory.id') }
}

/**
 * Reads the lines of a Java properties file: comments, continued lines, `=`, `:` or blanks between key and value, escapes. The last of
 * several equal keys counts.
 */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  const lines = text.split(/\r\n|\r|\n/)
  for (let at = 0; at < lines.length; at++) {
    const parts = [trimStart(lines[at]!)]
    if (/^(?:$|[#!])/.test(parts[0]!)) continue
    for (; endsOpen(parts.at(-1)!); at++) {
      parts.push(parts.pop()!.slice(0, -1), trimStart(lines[at + 1] ?? ''))
    }
    const { key, value } = split(parts.join(''))
    properties.set(unescaped(key), unescaped(value))
  }
  return properties
}

/** Whether the line goes on in the next: it ends in a backslash that is not itself escaped. */
function endsOpen(line: string): boolean {
  let end = line.length
  while (end > 0 && line[end - 1] === '\\') end--
  return (line.length - end) % 2 === 1
}

function split(line: string): { key: string; value: string } {
  let end = 0
  while (end < line.length && !/[=: \t\f]/.test(line[end]!)) end += line[end] === '\\' ? 2 : 1
  return { key: line.slice(0, end), value: line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '') }
}

function trimStart(line: string): string {
  return line.replace(/^[ \t\f]+/, '')
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, code: string | undefined, char: string | undefined) =>
    code === undefined ? (named[char!] ?? char!) : String.fromCharCode(parseInt(code, 16)),
  )
}

/** As Java writes it: printable ASCII, separators and comment signs escaped, so that any reader agrees. */
function escaped(text: string): string {
  return text
    .replace(/[\\=:#! ]/g, '\\$&')
    .replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function integer(properties: ReadonlyMap<string, string>, key: string, path: string): number | undefined {
  const text = properties.get(key)?.trim()
  if (text === undefined) return undefined
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : NaN
  if (value >= 0 && value <= INT32_MAX) return value
  throw corrupt(path, `${key} is ${JSON.stringify(text.slice(0, 300))}`)
}

function corrupt(path: string, reason: string): LogError {
  return new LogError('LOG_FILE_CORRUPT', `${path} is damaged: ${reason}`, { path, reason })
}
