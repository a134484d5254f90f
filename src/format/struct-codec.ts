/*
 * How a struct is written and read in one version: its plain fields one after the other, then the tagged ones of flexible versions (KIP-482). Which
 * fields there are is decided once a version, and not again per value.
 */
import { type ByteReader, type ByteWriter, putUvarint, uvarintSize } from '../base/bytes.ts'
import { type AnyField, type Fields, type Target } from './field.ts'
import { type ValueCodec } from './value-codecs.ts'

/** A value with named fields, while its type does not matter. */
export type Struct = { [name: string]: unknown }

/** A field in one version: its name, its number when tagged, and its codec. */
interface Slot {
  readonly name: string
  readonly tag: number
  readonly field: AnyField
  readonly codec: ValueCodec<unknown>
}

/** The codec of a struct in one version; `path` names it in errors. */
export function structCodec(fields: Fields, target: Target, path: string): ValueCodec<any, any> {
  const slots = Object.entries(fields).filter(([, field]) => isPresent(field, target)).map(([name, field]) => slot(name, field, target, path))
  const plain = slots.filter(({ tag }) => tag < 0)
  const tagged = slots.filter(({ tag }) => tag >= 0).sort((a, b) => a.tag - b.tag)
  const absent = Object.entries(fields).filter(([, field]) => !isPresent(field, target))
  const required = absent.filter(([, field]) => field.options.ignorable !== true)
  const template: Struct = Object.fromEntries(Object.entries(fields).map(([name, { initial }]) => [name, initial()]))
  // Defaults that are objects must not be shared between values.
  const fresh = [...absent, ...tagged.map(({ name, field }) => [name, field] as const)].filter(([name]) => typeof template[name] === 'object')

  return {
    smallest: plain.reduce((sum, { codec }) => sum + codec.smallest, target.flexible ? 1 : 0),
    write(value: Struct, writer) {
      for (let i = 0; i < required.length; i++) checkAbsent(value, required[i]!, target, path)
      for (let i = 0; i < plain.length; i++) {
        const { name, codec, field } = plain[i]!
        const given = value[name]
        codec.write(given === undefined ? field.initial() : given, writer)
      }
      if (target.flexible) writeTagged(value, tagged, writer)
    },
    read(reader) {
      const value = { ...template }
      for (let i = 0; i < fresh.length; i++) value[fresh[i]![0]] = fresh[i]![1].initial()
      for (let i = 0; i < plain.length; i++) value[plain[i]!.name] = plain[i]!.codec.read(reader)
      if (target.flexible) readTagged(value, tagged, reader)
      return value
    },
  }
}

function isPresent({ options }: AnyField, { version, flexible }: Target): boolean {
  return version >= (options.since ?? 0) && version <= (options.until ?? Infinity) && (options.tag === undefined || flexible)
}

function slot(name: string, field: AnyField, target: Target, path: string): Slot {
  return { name, tag: field.options.tag ?? -1, field, codec: field.compile(target, `${path}.${name}`) }
}

function checkAbsent(value: Struct, [name, field]: readonly [string, AnyField], target: Target, path: string): void {
  const given = value[name]
  if (given !== undefined && !field.isInitial(given)) throw new TypeError(`${path}.${name} is set, and version ${target.version} does not have it`)
}

function writeTagged(value: Struct, slots: readonly Slot[], writer: ByteWriter): void {
  const given = slots.filter(({ name, field }) => value[name] !== undefined && !field.isInitial(value[name]))
  writer.uvarint(given.length)
  for (const { name, tag, codec } of given) {
    writer.uvarint(tag)
    writeSized(value[name], codec, writer)
  }
}

/** Writes the value with its size in front. The size is known only afterwards: one byte is left for it, and the value moves when it takes more. */
function writeSized(value: unknown, codec: ValueCodec<unknown>, writer: ByteWriter): void {
  const sizeAt = writer.at
  writer.int8(0)
  codec.write(value, writer)
  const size = writer.at - sizeAt - 1
  const more = uvarintSize(size) - 1
  if (more > 0) {
    writer.reserve(more)
    writer.buffer.copyWithin(sizeAt + 1 + more, sizeAt + 1, writer.at)
    writer.at += more
  }
  putUvarint(writer.buffer, sizeAt, size)
}

function readTagged(value: Struct, slots: readonly Slot[], reader: ByteReader): void {
  let count = reader.uvarint()
  if (count > 0) reader.items(count)
  for (; count > 0; count--) {
    const tag = reader.uvarint()
    const size = reader.uvarint()
    const end = reader.at + size
    const known = slots.find((slot) => slot.tag === tag)
    if (known === undefined) reader.bytes(size)
    else if (size > reader.left) reader.fail(`tagged field ${known.name} of ${size} bytes`)
    else value[known.name] = known.codec.read(reader)
    if (reader.at !== end) reader.fail(`tagged field ${tag} has ${size} bytes, ${size + reader.at - end} were read`)
  }
}
