/*
 * The main job on real data: flights in the United States in early 2001, repeated over some years. A child process appends them and is
 * killed in the middle; the log is opened again, nothing acknowledged is missing, the rest is appended, and the log is read back to answer
 * a question. `npm run quickstart`, or `npm run quickstart -- <folder>` to keep the log. What it prints with is in quickstart/screen.ts.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CommitLog, defineTopic, msgpack, string, type Topic } from 'commitlog'
import { allFlights, type Flight } from './quickstart/flights.ts'
import { bars, heading, number, progress, say, seconds, tree } from './quickstart/screen.ts'

/** A topic is a value: its name, its partitions, and what turns keys and values into bytes. The key of a record decides its partition. */
const Flights = defineTopic('flights', { partitions: 3, key: string, value: msgpack<Flight>(), segmentMs: 365 * 86_400_000 })

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { records: { type: 'string', default: '300000' }, writer: { type: 'boolean', default: false } },
})
const count = Number(options.records)

if (options.writer) await writeUntilKilled(positionals[0]!)
else await main(positionals[0])

async function main(given: string | undefined): Promise<void> {
  const folder = given ?? mkdtempSync(join(tmpdir(), 'commitlog-quickstart-'))
  if (existsSync(join(folder, 'commitlog.json'))) throw new Error(`${folder} holds a log already: give an empty folder`)
  const started = performance.now()
  say(`${number(count)} flights, keyed by the airport they leave from, go into 3 partitions in ${folder}`)

  heading('A child process appends, and is killed in the middle')
  const acknowledged = await appendInDoomedChild(folder)

  heading('Open the folder again: is anything missing that was acknowledged?')
  const log = await CommitLog.open(folder)
  const flights = await log.topic(Flights)
  const held = compareWithWhatWasSent(flights, acknowledged)

  heading('Append the rest')
  await appendRest(flights, held)

  heading('Read everything back')
  const hours = readBack(flights)

  heading('When should one fly? Mean delay in minutes, by hour of departure')
  const common = hours.filter(({ flown }) => flown > count / 200)
  bars(common.map(({ hour, flown, delay }) => ({ name: `${String(hour).padStart(2, '0')}:00`, value: delay / flown })))
  await log.close()

  heading('What lies on disk')
  tree(folder)
  say(`\nAll of it took ${seconds(performance.now() - started)}. What holds when is in docs/guarantees.md, a tour in docs/api.md, and`)
  say('docs/format.md says what is in these files.')
  if (given === undefined) {
    rmSync(folder, { recursive: true })
    say('The folder is removed now. To keep the log and look around in it:  npm run quickstart -- <folder>')
  } else say(`The log is still there: try  npx commitlog topics ${folder}`)
}

/** Runs in the child. Prints, after each `send` that resolved, how many records of each partition are durable by then. */
async function writeUntilKilled(folder: string): Promise<void> {
  const log = await CommitLog.open(folder)
  const flights = await log.topic(Flights)
  const durable = [0, 0, 0]
  for (const chunk of inChunks(allFlights(count))) {
    const results = await flights.send(chunk.map((flight) => ({ key: flight.origin, value: flight, timestamp: flight.departure })))
    for (const { partition } of results) durable[partition]!++
    process.stdout.write(`${JSON.stringify(durable)}\n`)
  }
  await log.close()
}

/** Starts the child and kills it without warning when half is done. Gives how many records of each partition it had called durable. */
async function appendInDoomedChild(folder: string): Promise<number[]> {
  const program = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [program, '--writer', '--records', String(count), folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => { child.once('close', resolve) })
  const show = progress(count)
  let durable = [0, 0, 0]
  for await (const line of createInterface({ input: child.stdout })) {
    durable = JSON.parse(line) as number[]
    show(sum(durable))
    if (sum(durable) >= count / 2) child.kill('SIGKILL')
  }
  await ended
  if (child.signalCode !== 'SIGKILL') throw new Error(`the child was to be killed, and ended with ${child.exitCode}`)
  show(sum(durable), 'SIGKILL')
  return durable
}

/** Goes through the log and what was sent, airport by airport. Gives how many flights of each airport the log holds. */
function compareWithWhatWasSent(flights: Topic<string, Flight>, acknowledged: readonly number[]): Map<string, number> {
  const sent = new Map<string, Flight[]>()
  for (const flight of allFlights(count)) {
    const ofAirport = sent.get(flight.origin)
    if (ofAirport === undefined) sent.set(flight.origin, [flight])
    else ofAirport.push(flight)
  }
  const held = new Map<string, number>()
  for (const [partition, least] of acknowledged.entries()) {
    let found = 0
    for (const { offset, key, value } of flights.partition(partition).read({ from: 0 })) {
      const before = held.get(key!) ?? 0
      if (!same(sent.get(key!)![before]!, value!)) throw new Error(`offset ${offset} of partition ${partition} is not what was sent`)
      held.set(key!, before + 1)
      found++
    }
    say(`partition ${partition}  ${number(least).padStart(8)} acknowledged  ${number(found).padStart(8)} found, equal to what was sent`)
    if (found < least) throw new Error(`partition ${partition} lost acknowledged records`)
  }
  const more = sum(held.values()) - sum(acknowledged)
  say(`Nothing that was acknowledged is missing.${more > 0 ? ` ${number(more)} more had been written when the child died, and are whole.` : ''}`)
  return held
}

/** Appends what the log does not hold yet: of each airport, the flights behind those that it holds. */
async function appendRest(flights: Topic<string, Flight>, held: Map<string, number>): Promise<void> {
  const skip = new Map(held)
  const show = progress(count)
  let done = sum(held.values())
  show(done)
  for (const chunk of inChunks(allFlights(count))) {
    const rest = chunk.filter((flight) => {
      const left = skip.get(flight.origin) ?? 0
      skip.set(flight.origin, left - 1)
      return left <= 0
    })
    await flights.send(rest.map((flight) => ({ key: flight.origin, value: flight, timestamp: flight.departure })))
    show(done += rest.length)
  }
  show(done, 'all durable')
}

/** Reads all partitions, checks that the flights of each airport come in order, and adds up delays by hour. */
function readBack(flights: Topic<string, Flight>): { hour: number; flown: number; delay: number }[] {
  const hours = Array.from({ length: 24 }, (_, hour) => ({ hour, flown: 0, delay: 0 }))
  const last = new Map<string, number>()
  const started = performance.now()
  let read = 0
  for (const partition of flights.partitions) {
    for (const record of partition.read({ from: 'earliest' })) {
      const { origin, departure, delay } = record.value!       // a Flight: the topic knows its type
      if (departure < (last.get(origin) ?? 0)) throw new Error(`flights from ${origin} are out of order`)
      last.set(origin, departure)
      const hour = hours[new Date(departure).getUTCHours()]!
      hour.flown++
      hour.delay += delay
      read++
    }
  }
  const ms = performance.now() - started
  say(`${number(read)} flights of ${last.size} airports in ${seconds(ms)}, ${number((read / ms) * 1000)} a second; in order for each airport`)
  if (read !== count) throw new Error(`${read} records read, ${count} were sent`)
  return hours
}

function same(a: Flight, b: Flight): boolean {
  return a.origin === b.origin && a.destination === b.destination && a.departure === b.departure && a.delay === b.delay && a.distance === b.distance
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

function* inChunks<T>(items: Iterable<T>, size = 1000): Generator<T[]> {
  let chunk: T[] = []
  for (const item of items) {
    if (chunk.push(item) === size) {
      yield chunk
      chunk = []
    }
  }
  if (chunk.length > 0) yield chunk
}
