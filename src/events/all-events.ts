/*
 * The events of all streams in global order, as they are stored and, from the end on, as they come. Reading is that of consumers
 * (topics/reading.ts): a batch of records is copied as it lies, and its events are decoded when somebody looks at them.
 */
import { Loop, type Loops, type RecordIterator } from '../topics/loop.ts'
import { Life } from '../topics/life.ts'
import { Assigned, Reading } from '../topics/reading.ts'
import { resolveInRange } from '../topics/start-position.ts'
import { type LogRecord } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { EventParser, FORGETS } from './event-format.ts'
import { type EventReading, StoredEvent } from './stored-event.ts'
import { type StreamCore } from './stream-core.ts'
import { type AllEvents, type AllOptions, type EventShape, type RecordedEvent } from './types.ts'

const untouched: RecordCodecs<null, null> = {
  key: { name: 'bytes', encode: () => {}, decode: () => null },
  value: { name: 'bytes', encode: () => {}, decode: () => null },
}

/** Events of all streams; each loop over it begins anew. */
export class AllStreams<E extends EventShape> implements AllEvents<E> {
  readonly #core: StreamCore
  readonly #reading: EventReading
  readonly #life: Life
  readonly #options: AllOptions
  readonly #from: number
  readonly #forgetting: boolean

  /** @param forgetting  also what says that streams have forgotten something */
  constructor(core: StreamCore, reading: EventReading, life: Life, options: AllOptions, forgetting = false) {
    this.#core = core
    this.#reading = reading
    this.#life = life
    this.#options = options
    this.#forgetting = forgetting
    this.#from = resolveInRange(core.log, options.from ?? 'earliest', 'read_committed')
  }

  [Symbol.asyncIterator](): RecordIterator<RecordedEvent<E>> {
    const feed = this.#feed()
    return new Loop(feed.loops, () => feed.take(), feed.records) as RecordIterator<unknown> as RecordIterator<RecordedEvent<E>>
  }

  batches(): RecordIterator<readonly RecordedEvent<E>[]> {
    const feed = this.#feed()
    return new Loop(feed.loops, () => feed.takeAll(), feed.records) as RecordIterator<unknown> as RecordIterator<readonly RecordedEvent<E>[]>
  }

  #feed(): EventFeed {
    this.#life.check()
    return new EventFeed(this.#core, this.#reading, this.#life, this.#options, { from: this.#from, forgetting: this.#forgetting })
  }
}

/** One reading of all events. */
class EventFeed {
  readonly records: Reading<null, null>
  readonly loops: Loops
  private readonly core: StreamCore
  private readonly reading: EventReading
  private readonly wanted: ReadonlySet<string> | undefined
  private readonly forgetting: boolean
  private readonly parser = new EventParser()
  private events: StoredEvent[] = []
  private next = 0

  constructor(
    core: StreamCore, reading: EventReading, parent: Life, { types, until, signal, ref = true }: AllOptions,
    { from, forgetting }: { readonly from: number; readonly forgetting: boolean },
  ) {
    const life = new Life(`the reading of events "${core.name}"`, parent)
    const { clock } = core.logCore.env
    this.core = core
    this.reading = reading
    this.wanted = types === undefined ? undefined : new Set(types)
    this.forgetting = forgetting
    this.records = new Reading([new Assigned<null, null>(core.log, from)], {
      codecs: untouched, isolation: 'read_committed', clock, life, signal, ref,
    })
    this.loops = {
      begin: () => {
        life.check()
        this.records.begin(until === 'end')
      },
      end: () => this.records.end(),
      alive: () => {
        signal?.throwIfAborted()
        return life.alive
      },
    }
  }

  take(): StoredEvent | undefined {
    if (this.next === this.events.length) {
      const events = this.takeAll()
      if (events === undefined) return undefined
      this.events = events
      this.next = 0
    }
    return this.events[this.next++]
  }

  takeAll(): StoredEvent[] | undefined {
    for (;;) {
      const records = this.records.takeBatch()
      if (records === undefined) return undefined
      const events = this.eventsOf(records)
      if (events.length > 0) return events
    }
  }

  /** The events among records, in memory of their own. */
  private eventsOf(records: readonly LogRecord<null, null>[]): StoredEvent[] {
    const first = records[0]!
    const buffer = first.copyThrough(records[records.length - 1]!)
    const { parser, wanted, forgetting, reading, core: { types, index } } = this
    const events: StoredEvent[] = []
    for (const record of records) {
      if (!parser.parse(buffer, record.startBehind(first), record.endBehind(first))) continue
      const forgets = (parser.flags & FORGETS) !== 0
      if ((forgets && !forgetting) || index.isForgotten(buffer, parser)) continue
      const type = types.at(buffer, parser.typeAt, parser.typeEnd)
      if (forgets || (wanted === undefined ? !type.startsWith('$') : wanted.has(type))) {
        events.push(new StoredEvent(reading, type, record.offset, buffer, parser))
      }
    }
    return events
  }
}
