/*
 * Kafka's own classes read the messages that we write, in every version that they have: they find the same values in them, and write the same
 * bytes. What is drawn for a version is every value that its types allow, so a field that is missing, misplaced or of another type is found.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { systemRandom } from '../../src/base/random.ts'
import { type AnyField, type Fields, isField } from '../../src/format/field.ts'
import { type Message } from '../../src/format/schema.ts'
import { apis } from '../../src/kafka/apis.ts'
import { type Drawing, hasField, messageValues } from '../tools/message-values.ts'
import { Probe } from './probe.ts'

/** Versions that the Kafka of pom.xml cannot be asked about: it does not have them yet, or any more. */
const others: readonly string[] = ['DescribeLogDirs 5', 'ListOffsets 0', 'ListOffsets 11']

/** Values a version. */
const VALUES = 12

let folder: string
let probe: Probe

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commitlog-schemas-'))
  probe = await Probe.start(inject('jars'), folder)
})
afterAll(async () => {
  await probe?.close()
  rmSync(folder, { recursive: true, force: true })
})

test.each(apis.map((api) => [api.name, api] as const))('%s', async (name, { request, response }) => {
  const seed = Number(process.env.SEED ?? systemRandom.int(0x7fff_ffff))
  for (const message of [request, response] as Message<Fields>[]) {
    for (let version = message.first; version <= message.last; version++) {
      if (others.includes(`${name} ${version}`)) continue
      const values = fc.sample(messageValues(message, version), { numRuns: VALUES, seed })
      const written = values.map((value) => message.encode(version, value).toString('base64'))
      const answers = await probe.ask('messages', { messages: written.map((bytes) => ({ name: message.name, version, bytes })) })
      const where = `${message.name} ${version}, SEED=${seed}`
      for (const [index, { json, bytes, left, error }] of answers.entries()) {
        expect([where, error, left]).toEqual([where, undefined, 0])
        expect([where, json]).toEqual([where, asKafkaShows(message, version, values[index]!)])
        expect([where, bytes]).toEqual([where, written[index]])
      }
    }
  }
})

/** As Kafka's JSON converters print it: only what the version has, without tagged fields that are the default. */
function asKafkaShows(message: Message<Fields>, version: number, value: Record<string, unknown>): unknown {
  return shownStruct(message.fields, { version, flexible: message.isFlexible(version) }, value)
}

function shownStruct(fields: Fields, drawn: Drawing, value: Record<string, unknown>): Record<string, unknown> {
  const shown = Object.entries(fields).filter(([name, field]) => {
    return hasField(field, drawn) && (field.options.tag === undefined || !field.isInitial(value[name]))
  })
  return Object.fromEntries(shown.map(([name, field]) => [name, shownValue(field, drawn, value[name])]))
}

function shownValue({ shape }: AnyField, drawn: Drawing, value: unknown): unknown {
  if (value === null) return null
  switch (shape.kind) {
    // Kafka prints none of them. Whether they are right is seen in what it writes.
    case 'records': return ''
    case 'bytes': return (value as Buffer).toString('base64')
    case 'bigint64': return Number(value)
    case 'struct': return shownStruct(shape.fields, drawn, value as Record<string, unknown>)
    case 'array': {
      const { element } = shape
      return (value as unknown[]).map((item) => (isField(element) ? shownValue(element, drawn, item)
        : shownStruct(element, drawn, item as Record<string, unknown>)))
    }
    default: return value
  }
}
