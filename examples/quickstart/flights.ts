/*
 * The flights of the quickstart: 20,000 from the first quarter of 2001 (`flights-20k.json` of vega-datasets, made from data of the US
 * Bureau of Transportation Statistics), repeated quarter by quarter until there are as many as asked for.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A flight as the log keeps it. */
export interface Flight {
  readonly origin: string
  readonly destination: string
  /** Scheduled departure in ms since 1970, the clock of the airport taken as UTC. */
  readonly departure: number
  /** Minutes; negative when early. */
  readonly delay: number
  /** Miles. */
  readonly distance: number
}

interface Row {
  readonly date: string
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

const QUARTER = 90 * 86_400_000

/** `count` flights in order of departure, always the same ones. */
export function* allFlights(count: number): Generator<Flight> {
  const rows = readRows()
  for (let index = 0; index < count; index++) {
    const row = rows[index % rows.length]!
    yield { ...row, departure: row.departure + Math.floor(index / rows.length) * QUARTER }
  }
}

function readRows(): Flight[] {
  const data = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/flights-20k.json')
  const rows = JSON.parse(readFileSync(data, 'utf8')) as Row[]
  return rows.map(({ date, ...row }) => ({ ...row, departure: Date.parse(`${date.replaceAll('/', '-').replace(' ', 'T')}Z`) }))
}
