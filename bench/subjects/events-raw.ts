/*
 * A bare file of events and a Map of where those of each stream are: the least that an event store could do, and what tells machines apart.
 * A line an event, the id of its stream and its JSON. An append is one blocking write of its own; synced ones that gather in a turn of the
 * event loop are one write and one fdatasync.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { GroupCommit, timedCallers } from '../group-commit.ts'
import { type Figures, type Job, type Subject, watch } from '../job.ts'
import {
  addOrder, checkRows, countLines, type CustomerRow, ID_BYTES, newCustomer, type Order, orders, streamCount, streamId, streamsInTurn,
} from './event-data.ts'

const CHUNK_BYTES = 1024 * 1024
const NEW_LINE = 10

/** A file and a Map. */
export const rawEvents: Subject = { fill, eventAppend, eventLoad, eventRebuild }

/** Of one event after the other of a stream: where its line is, and how long it is. */
type Places = number[]

class EventFile {
  readonly descriptor: number
  readonly #places = new Map<string, Places>()
  #end = 0

  constructor(job: Job) {
    this.descriptor = fs.openSync(join(job.folder, 'events'), 'a+')
    walkLines(this.descriptor, (bytes, from, to, position) => this.#added(bytes.toString('latin1', from, from + ID_BYTES), position, to - from))
  }

  version(stream: string): number {
    return (this.#places.get(stream)?.length ?? 0) / 2
  }

  append(stream: string, expected: number, data: Order): void {
    if (expected !== this.version(stream)) throw new Error(`${stream} has ${this.version(stream)} events`)
    const line = lineOf(stream, data)
    fs.writeSync(this.descriptor, line)
    this.#added(stream, this.#end, line.length - 1)
  }

  async appendSynced(events: readonly { readonly stream: string; readonly data: Order }[]): Promise<void> {
    const lines = events.map(({ stream, data }) => lineOf(stream, data))
    fs.writeSync(this.descriptor, lines.join(''))
    await new Promise<void>((resolve, reject) => fs.fdatasync(this.descriptor, (error) => (error === null ? resolve() : reject(error))))
    for (const [number, { stream }] of events.entries()) this.#added(stream, this.#end, lines[number]!.length - 1)
  }

  /** Calls `visit` for each event of a stream. */
  read(stream: string, buffer: Buffer, visit: (data: Order) => void): void {
    const places = this.#places.get(stream)!
    for (let at = 0; at < places.length; at += 2) {
      fs.readSync(this.descriptor, buffer, 0, places[at + 1]!, places[at]!)
      visit(orderOf(buffer, 0, places[at + 1]!))
    }
  }

  #added(stream: string, position: number, size: number): void {
    const places = this.#places.get(stream)
    if (places === undefined) this.#places.set(stream, [position, size])
    else places.push(position, size)
    this.#end = position + size + 1
  }
}

function lineOf(stream: string, data: Order): string {
  return `${stream}${JSON.stringify(data)}\n`
}

function orderOf(bytes: Buffer, from: number, to: number): Order {
  return JSON.parse(bytes.toString('latin1', from + ID_BYTES, to)) as Order
}

/** Calls `visit` for each line of a file, without what ends it. */
function walkLines(descriptor: number, visit: (bytes: Buffer, from: number, to: number, position: number) => void): void {
  const bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  for (let position = 0, rest = 0; ;) {
    const read = fs.readSync(descriptor, bytes, rest, CHUNK_BYTES - rest, position + rest)
    if (read === 0) return
    const end = rest + read
    let from = 0
    for (let to = bytes.indexOf(NEW_LINE); to >= 0 && to < end; to = bytes.indexOf(NEW_LINE, from)) {
      visit(bytes, from, to, position + from)
      from = to + 1
    }
    bytes.copyWithin(0, from, end)
    rest = end - from
    position += from
  }
}

function fill(job: Job): Figures {
  const file = new EventFile(job)
  const payloads = orders(job)
  const streams = streamCount(job)
  const stop = watch()
  for (let number = 0; number < job.records; number++) {
    const stream = streamId(number % streams)
    file.append(stream, file.version(stream), payloads[number & 1023]!)
  }
  return stop(job.records)
}

function eventAppend(job: Job): Promise<Figures> {
  const file = new EventFile(job)
  const payloads = orders(job)
  const next = streamsInTurn(job)
  const group = new GroupCommit<{ stream: string; data: Order }>((events) => file.appendSynced(events))
  return timedCallers(job, (_, number) => {
    const [stream, data] = [next(), payloads[number & 1023]!]
    return job.durability === 'sync' ? group.add({ stream, data }) : file.append(stream, file.version(stream), data)
  })
}

function eventLoad(job: Job): Promise<Figures> {
  const file = new EventFile(job)
  const next = streamsInTurn(job)
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  return timedCallers(job, () => {
    let lines = 0
    file.read(next(), buffer, (data) => { lines = countLines(lines, data) })
    return lines
  })
}

/** Rows in memory, of all events in their order; nothing is stored of them. */
function eventRebuild(job: Job): Figures {
  const descriptor = fs.openSync(join(job.folder, 'events'), 'r')
  const rows = new Map<string, CustomerRow>()
  const stop = watch()
  walkLines(descriptor, (bytes, from, to) => {
    const order = orderOf(bytes, from, to)
    let row = rows.get(order.customer)
    if (row === undefined) rows.set(order.customer, (row = newCustomer()))
    addOrder(row, order)
  })
  const figures = stop(job.filled!)
  checkRows(rows.values(), job)
  return figures
}
