/*
 * Runs the command in this process, with streams of its own, and gives what it printed.
 */
import { Readable, Writable } from 'node:stream'
import { main } from '../../src/cli/main.ts'
import { type TerminalStream } from '../../src/cli/screen.ts'

/** What a run of the command left behind. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
  /** The lines of stdout. */
  readonly lines: readonly string[]
}

/** What a run is given beside its words. */
export interface RunOptions {
  /** Chunks of stdin. */
  readonly input?: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>
  readonly env?: Readonly<Record<string, string>>
  /** Makes both streams terminals of so many columns. */
  readonly columns?: number
  readonly signal?: AbortSignal
  /** Called with each piece of stdout. */
  readonly onOutput?: (text: string) => void
}

/** Runs `commitlog` with these words. */
export async function commitlog(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out = collector(options.columns, options.onOutput)
  const err = collector(options.columns)
  const code = await main(words, {
    stdin: Readable.from(options.input ?? []), stdout: out.stream, stderr: err.stream, env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
  })
  const text = out.text()
  return { code, out: text, err: err.text(), lines: text === '' ? [] : text.trimEnd().split('\n') }
}

function collector(columns: number | undefined, onOutput?: (text: string) => void): { stream: TerminalStream; text(): string } {
  const parts: string[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const text = chunk.toString()
      parts.push(text)
      onOutput?.(text)
      done()
    },
  })
  return { stream: Object.assign(stream, columns === undefined ? {} : { isTTY: true, columns }), text: () => parts.join('') }
}
