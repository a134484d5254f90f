/*
 * A category of events as a value: its name, what its data is written by, the schemas and versions of its types. It holds no log and does
 * nothing: import it wherever the events are used, and hand it to `eventStore()`.
 */
import { type Codec } from '../base/codec.ts'
import { LogError } from '../base/errors.ts'
import { checkInteger, checkObject, checkOptions, describe } from '../base/options.ts'
import { checkTopicName } from '../format/names.ts'
import { json } from '../topics/codecs.ts'
import { checkedCodec } from '../topics/define-topic.ts'
import { eventTopicSettings } from '../topics/event-topics.ts'
import { isInternalTopic } from '../topics/internal-topics.ts'
import { checkedSettings, settingNames, type TopicSettings } from '../topics/settings.ts'
import { checkSchema, type StandardSchema, validated } from '../topics/standard-schema.ts'
import { type EventReading } from './stored-event.ts'
import { type EventShape, type EventsDefinition, type EventsOptions, type TypeVersions } from './types.ts'

/**
 * Defines a category of events.
 *
 * @param category  the name of the topic that holds them: 1 to 249 of a–z A–Z 0–9 . _ -
 * @throws TypeError or RangeError for a name, option or value that cannot be
 */
export function defineEvents<E extends EventShape = EventShape>(category: string, options: EventsOptions<E> = {}): EventsDefinition<E> {
  checkTopicName(category)
  if (isInternalTopic(category)) throw new TypeError(`the topic "${category}" is the log's own`)
  const where = `events "${category}"`
  checkOptions(options, ['value', 'schemas', 'versions', 'settings'], where)
  checkOptions(options.settings, settingNames, `settings of ${where}`)
  checkObject(options.schemas, `schemas of ${where} are an object, by type`)
  checkObject(options.versions, `versions of ${where} are an object, by type`)
  checkedCodec(options.value, `the value codec of ${where}`)
  for (const [type, schema] of Object.entries(options.schemas ?? {})) checkSchema(schema, `the schema of ${type} of ${where}`)
  for (const [type, versions] of Object.entries<unknown>(options.versions ?? {})) checkVersions(versions, `the versions of ${type} of ${where}`)
  return Object.freeze({ ...options, category })
}

/** What a store works with. */
export class EventTypes<E extends EventShape> implements EventReading {
  readonly codec: Codec<unknown>
  /** Of the topic. */
  readonly settings: TopicSettings
  private readonly category: string
  private readonly schemas: { readonly [type: string]: StandardSchema | undefined }
  private readonly versions: { readonly [type: string]: TypeVersions | undefined }
  private readonly plain: boolean

  constructor({ category, value, schemas, versions, settings }: EventsDefinition<E>) {
    this.category = category
    this.codec = (value ?? json()) as Codec<unknown>
    this.schemas = Object.assign(Object.create(null), schemas)
    this.versions = Object.assign(Object.create(null), versions)
    this.plain = schemas === undefined
    this.settings = eventSettings(settings, `events "${category}"`)
  }

  /** The version that a type is written as. */
  schemaOf(type: string): number {
    return this.versions[type]?.version ?? 1
  }

  /** The data of an event as its schema wants it. */
  checked(type: string, data: unknown): unknown {
    const schema = this.plain ? undefined : this.schemas[type]
    if (schema === undefined) return data
    return validated(schema, data, (reason, issues) => {
      const message = `the schema of ${type} of events "${this.category}" refuses the event: ${reason}`
      throw new LogError('LOG_EVENT_INVALID', message, { category: this.category, type, issues })
    })
  }

  upcast(type: string, schema: number, data: unknown): unknown {
    const versions = this.versions[type]
    const wanted = versions?.version ?? 1
    if (schema === wanted) return data
    let current = data
    for (let version = schema; version < wanted; version++) current = cast(versions?.upcast?.[version], current, `from ${version}`)
    for (let version = schema; version > wanted; version--) current = cast(versions?.downcast?.[version - 1], current, `from ${version}`)
    return current
  }

  /** The data of an event as an older version of its type has it. */
  downcast(type: string, data: unknown, to: number): unknown {
    let current = data
    for (let version = this.schemaOf(type); version > to; version--) {
      current = cast(this.versions[type]?.downcast?.[version - 1], current, `from ${version}`)
    }
    return current
  }
}

function cast(step: ((data: never) => unknown) | undefined, data: unknown, where: string): unknown {
  if (step === undefined) throw new Error(`there is no cast ${where}`)
  return step(data as never)
}

function eventSettings(given: TopicSettings | undefined, where: string): TopicSettings {
  const settings = checkedSettings((given ?? {}) as Readonly<Record<string, unknown>>, where)
  for (const [name, value] of Object.entries(eventTopicSettings)) {
    const asked = settings[name as keyof TopicSettings]
    if (asked === undefined || asked === value) continue
    throw new TypeError(`${name} of ${where} is ${value}, and cannot be ${asked}: events are kept as they are`)
  }
  return { ...settings, ...eventTopicSettings }
}

function checkVersions(given: unknown, where: string): void {
  checkObject(given ?? null, `${where} are { version, upcast, downcast }`)
  const { version, upcast, downcast } = given as Partial<TypeVersions>
  checkOptions(given, ['version', 'upcast', 'downcast'], where)
  checkInteger(version ?? null, `version of ${where}`, 1)
  checkObject(upcast ?? (version === 1 ? {} : null), `upcast of ${where} is an object: { 1: (data) => … }`)
  checkObject(downcast, `downcast of ${where} is an object: { 1: (data) => … }`)
  for (let from = 1; from < version!; from++) {
    const step = upcast?.[from]
    if (typeof step !== 'function') throw new TypeError(`upcast of ${where} has a function for version ${from}, not ${describe(step)}`)
  }
}
