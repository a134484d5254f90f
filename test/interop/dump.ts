/*
 * Runs Kafka's DumpLogSegments over a partition and reads what it prints: its complaints, and the records that it found. It ends with success
 * whatever it finds, so every line that is not known to be fine counts as a complaint.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseFileName } from '../../src/format/names.ts'
import { type Probe } from './probe.ts'

/** A record as the dump tool prints it: keys and values as text. */
export interface DumpedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: string
  readonly keySize: number
  readonly valueSize: number
  readonly headers: string
  readonly key: string
  readonly value: string
}

/** What the tool says of one partition. */
export interface Dump {
  readonly complaints: string[]
  /** Without control records. */
  readonly records: DumpedRecord[]
  /** How many files of each kind it printed. */
  readonly files: Readonly<Record<string, number>>
  /** The lines of aborted transactions and of producers, as they are. */
  readonly aborted: string[]
  readonly producers: string[]
}

/** Lines of standard output that say that all is well. */
const fine = [
  /^Dumping \S+$/,
  /^Log starting offset: \d+$/,
  /^baseOffset: \d+ lastOffset: .* isvalid: true$/,
  /^\| offset: \d+ /,
  /^offset: \d+ position: \d+$/,                       // .index
  /^timestamp: \d+ offset: \d+$/,                      // .timeindex
  /^version: 0 producerId: .* lastStableOffset: \d+$/, // .txnindex
  /^producerId: \d+ .* currentTxnFirstOffset: \S+ /,    // .snapshot
  /passed sanity check\.$/,
  /\.(?:time)?index is empty\.$/,
  /^$/,
]

const recordLine = new RegExp(
  '^\\| offset: (\\d+) (CreateTime|LogAppendTime): (-?\\d+) keySize: (-?\\d+) valueSize: (-?\\d+) sequence: -?\\d+ ' +
  'headerKeys: \\[(.*?)\\](?: key: (.*?))?(?: payload: (.*))?$',
)

/** Dumps every file of a partition's folder that the tool knows: contents, then indexes in both ways in which it checks them. */
export async function dumpPartition(probe: Probe, folder: string): Promise<Dump> {
  const named = readdirSync(folder).sort().map((name) => ({ path: join(folder, name), kind: parseFileName(name)?.kind }))
  const files = named.filter(({ kind }) => kind !== undefined)
  const indexes = files.filter(({ kind }) => kind === 'index' || kind === 'timeindex')
  const run = async (options: readonly string[], of: readonly { path: string }[]): Promise<{ lines: string[]; complaints: string[] }> => {
    const printed = await probe.ask('dump', { arguments: [...options, '--files', of.map(({ path }) => path).join(',')] })
    const lines = printed.stdout.split('\n')
    const errors = printed.stderr.split('\n').filter((line) => line !== '')
    const thrown = printed.thrown === undefined ? [] : [printed.thrown]
    return { lines, complaints: [...thrown, ...errors, ...lines.filter((line) => !fine.some((pattern) => pattern.test(line)))] }
  }
  const contents = await run(['--deep-iteration', '--print-data-log'], files)
  const verified = await run(['--verify-index-only'], indexes)
  const sane = await run(['--index-sanity-check'], indexes)
  return {
    complaints: [...contents.complaints, ...verified.complaints, ...sane.complaints],
    records: contents.lines.flatMap(record),
    files: countBy(contents.lines.flatMap((line) => /^Dumping \S+\.(\w+)$/.exec(line)?.[1] ?? [])),
    aborted: contents.lines.filter((line) => line.startsWith('version: ')),
    producers: contents.lines.filter((line) => line.startsWith('producerId: ')),
  }
}

/** Text in which what is not UTF-8 counts as one character: Java and JavaScript differ in how many they make of it. */
export function printable(text: string): string {
  return text.replace(/\uFFFD+/g, '\uFFFD')
}

function record(line: string): DumpedRecord[] {
  if (!line.startsWith('| offset: ') || /\] endTxnMarker: /.test(line)) return []
  const [, offset, timestampType = '', timestamp, keySize, valueSize, headers = '', key = '', value = ''] = recordLine.exec(line) ?? []
  return [{
    offset: Number(offset), timestampType, timestamp: Number(timestamp), keySize: Number(keySize), valueSize: Number(valueSize), headers,
    key: printable(key), value: printable(value),
  }]
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
