/*
 * `commitlog events --import FILE`: the events of a file of lines, or of an archive, into a category. One that is new is written by the codec that
 * the lines say, unless `--value` says another.
 */
import { createReadStream } from 'node:fs'
import { type Readable } from 'node:stream'
import { codecOfLine } from '../events/event-lines.ts'
import { type LocalEventStore } from '../events/event-store.ts'
import { type ImportProgress, importEvents } from '../events/transfer.ts'
import { lineChunks } from '../topics/lines/line-chunks.ts'
import { type Call, UsageError } from './command.ts'
import { count, counted, jsonLine } from './text.ts'

/** Lines that are looked at before a category is made. */
const LOOK_AT = 1000

/** The options that go with `--import`. */
export const importOptions = {
  renumber: { help: 'with --import: give events new versions, behind those of their streams' },
  forget: { help: 'with --import: forget what the file says that streams have forgotten, whatever they have here' },
  'pass-forgotten': { help: 'with --import: pass over events that were forgotten here' },
  value: { value: 'CODEC', help: 'with --import: what a new category is written by; default: as the file says, or json' },
} as const

/** Refuses options of an import without one. */
export function checkImport(call: Call): void {
  const given = Object.keys(importOptions).find((name) => call.flag(name) || call.text(name) !== undefined)
  if (given !== undefined && call.text(`import`) === undefined) throw new UsageError(`--${given} goes with --import`)
}

/** Stores the events of the file in the category that `open` gives, which is told what the lines are written by. */
export async function importLines(call: Call, open: (codec: string | undefined) => Promise<LocalEventStore>): Promise<number> {
  const path = call.text(`import`)!
  const { signal, stdin } = call.terminal
  const stream = path === '-' ? stdin : createReadStream(path)
  const lines = linesOf(path.endsWith('.gz') ? unzipped(stream) : stream, signal)
  let told: ImportProgress = { lines: 0, imported: 0, duplicates: 0, unnamed: 0 }
  try {
    const first = await firstLines(lines)
    const store = await open(first.codec)
    try {
      told = await importEvents(store, joined(first.lines, lines), {
        renumber: call.flag('renumber'), forget: call.flag('forget'), passForgotten: call.flag('pass-forgotten'), signal,
        onProgress: (progress) => { told = progress },
      })
    } finally {
      await call.screen.print(call.json ? jsonLine({ category: store.category, ...told }) : text(told))
    }
  } finally {
    stream.destroy()
  }
  return 0
}

function text({ imported, duplicates, unnamed }: ImportProgress): string {
  const passed = duplicates === 0 ? '' : `, ${count(duplicates)} passed over`
  const again = unnamed === 0 ? '' : `; ${count(unnamed)} had neither id nor version: another import of them would store them again`
  return `${counted(imported, 'event')} stored${passed}${again}`
}

/** The lines up to the first that says by what data is written. */
async function firstLines(lines: AsyncIterator<string>): Promise<{ readonly lines: string[]; readonly codec: string | undefined }> {
  const first: string[] = []
  for (;;) {
    const { value, done } = await lines.next()
    if (done === true) return { lines: first, codec: undefined }
    first.push(value)
    const codec = codecOfLine(value)
    if (codec !== undefined || first.length === LOOK_AT) return { lines: first, codec }
  }
}

async function* joined(first: readonly string[], rest: AsyncIterable<string>): AsyncIterable<string> {
  yield* first
  yield* rest
}

async function* linesOf(stream: Readable, signal: AbortSignal): AsyncGenerator<string, undefined> {
  for await (const lines of lineChunks(stream, signal)) for (const line of lines) yield line.toString()
}

/** What fails is thrown where the bytes are read. */
function unzipped(stream: Readable): Readable {
  const { createGunzip } = process.getBuiltinModule('node:zlib')
  const { pipeline } = process.getBuiltinModule('node:stream')
  return pipeline(stream, createGunzip(), () => {})
}
