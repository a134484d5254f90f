/*
 * Event sourcing on real data: 5,000 flights of 2001 as events of their airports. Aggregates decide, a projection follows and is built anew, a
 * reactor makes events of its own, and an airport is forgotten. Each figure is computed twice: by the log, and from the data.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommitLog } from 'commitlog'
import { defineEvents, defineProjection, deleteStream, eventStore, freeForgotten, project, react } from 'commitlog/events'
import { allFlights } from './quickstart/flights.ts'

type AirportEvent =
  | { type: 'Departed', data: { destination: string, delay: number, distance: number } }
  | { type: 'BadDay', data: { day: string, late: number } }

const Airports = defineEvents<AirportEvent>('airport', { settings: { durability: 'interval', segmentBytes: 128 * 1024 } })
const Routes = defineProjection<AirportEvent, { flights: number, miles: number }>({
  name: 'routes',
  key: (event) => (event.type === 'Departed' ? `${event.stream} ${event.data.destination}` : undefined),
  initial: () => ({ flights: 0, miles: 0 }),
  on: { Departed: (row, { data }) => ({ flights: row.flights + 1, miles: row.miles + data.distance }) },
})

const LATE = 60
const folder = await mkdtemp(join(tmpdir(), 'flights-'))
const log = await CommitLog.open(folder)
const airports = await eventStore(log, Airports)
const routes = await project(airports, Routes)

// A reactor: an airport from which two flights left more than an hour late on one day had a bad day.
const late = new Map<string, number>()
const watch = await react(airports, {
  name: 'bad-days', types: ['Departed'],
  handle: ({ stream, time, data }, { append }) => {
    if (data.delay <= LATE) return
    const day = new Date(time).toISOString().slice(0, 10)
    const count = (late.get(`${stream} ${day}`) ?? 0) + 1
    late.set(`${stream} ${day}`, count)
    if (count === 2) append(stream, { type: 'BadDay', data: { day, late: count } })
  },
})

const flights = [...allFlights(5000)]
const started = performance.now()
await Promise.all(flights.map(({ origin, destination, delay, distance, departure }) => (
  airports.append(origin, { type: 'Departed', data: { destination, delay, distance }, time: departure })
)))
console.log(`${flights.length} flights of ${airports.streamCount} airports in ${Math.round(performance.now() - started)} ms`)

await routes.caughtUp()
const [route, { flights: most, miles }] = [...routes.entries()].reduce((best, one) => (one[1].flights > best[1].flights ? one : best))
const inData = flights.filter(({ origin, destination }) => `${origin} ${destination}` === route)
console.log(`most flown: ${route}, ${most} times, ${miles} miles: ${most === inData.length ? 'as in the data' : 'NOT as in the data'}`)

const board = airports.aggregate({
  initial: () => ({ departures: 0, late: 0 }),
  evolve: (state, event) => event.type !== 'Departed' ? state : {
    departures: state.departures + 1, late: state.late + (event.data.delay > LATE ? 1 : 0),
  },
})
const { state } = await board.load('ORD')
console.log(`ORD: ${state.departures} departures, ${state.late} of them more than an hour late`)
await watch.caughtUp()
const badDays = (await airports.read('ORD')).events.filter(({ type }) => type === 'BadDay')
console.log(`bad days of ORD: ${badDays.length}`)

const before = JSON.stringify([...routes.entries()].sort())
await routes.rebuild()
console.log(`built anew, the routes are ${JSON.stringify([...routes.entries()].sort()) === before ? 'the same' : 'OTHERS'}`)

await deleteStream(airports, 'ORD')
const freed = await freeForgotten(airports)
const bytes = freed.bytesBefore - freed.bytesAfter
console.log(`ORD is forgotten: ${freed.events} events, ${bytes} bytes; it ${airports.exists('ORD') ? 'exists' : 'is gone'}`)

await Promise.all([routes.close(), watch.close()])
await log.close()
await rm(folder, { recursive: true })
