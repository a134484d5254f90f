/*
 * What the command prints with: lines on stdout that wait for a slow reader, words and a progress bar on stderr, colours where a terminal
 * shows them. Nothing here knows of logs.
 */
import { type Readable, type Writable } from 'node:stream'

/** A stream that may be a terminal. */
export type TerminalStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The world of one run of the command; tests bring their own. */
export interface Terminal {
  readonly stdin: Readable
  readonly stdout: TerminalStream
  readonly stderr: TerminalStream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted when the user wants the command to end. */
  readonly signal: AbortSignal
}

/** Whoever read the output has gone: the command ends quietly. */
export class OutputGone extends Error {}

/** How a piece of text looks where there are colours. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

const codes: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 }

/** Characters of output that gather before they are written. */
const WRITE_AT = 64 * 1024
const BAR_WIDTH = 30
const BAR_EVERY_MS = 50
/** How often a command that waits asks whether somebody still reads its output. */
const ASK_EVERY_MS = 500

/** Stdout and stderr of one run. */
export class Screen {
  /** Columns of the terminal; undefined when stdout is none. */
  readonly width: number | undefined
  readonly #stdout: TerminalStream
  readonly #stderr: TerminalStream
  readonly #coloured: boolean
  readonly #bars: boolean
  #text = ''
  #failure: Error | undefined
  readonly #gone = new AbortController()
  #barShown = false
  #barAt = 0

  constructor({ stdout, stderr, env }: Pick<Terminal, 'stdout' | 'stderr' | 'env'>) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.width = stdout.isTTY === true ? (stdout.columns ?? 80) : undefined
    this.#coloured = wantsColours(stdout, env)
    this.#bars = stderr.isTTY === true && env['TERM'] !== 'dumb'
    stdout.on('error', this.#failed)
    stdout.on('close', this.#closed)
    stderr.on('error', () => {})
  }

  /** Aborted, with an OutputGone, when it is noticed that nobody reads the output any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /**
   * Asks now and then whether somebody still reads the output, for a command that may have nothing to print for long; until what it gives
   * is called. A socket, which Node gives its children for stdout, answers; a shell's pipe says nothing before the next record is written.
   */
  askForReader(): () => void {
    const timer = setInterval(() => { if (this.#stdout.writableLength === 0 && !this.#stdout.destroyed) this.#stdout.write('') }, ASK_EVERY_MS)
    return () => clearInterval(timer)
  }

  /** Prints a line. Gives a promise now and then: wait for it before the next, so that slow readers and Ctrl-C get their turn. */
  print(line: string): Promise<void> | undefined {
    this.#text += `${line}\n`
    return this.#text.length < WRITE_AT ? undefined : (this.flush() ?? turn())
  }

  /** Writes what has gathered. Gives a promise when the reader is slow. */
  flush(): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#text === '') return undefined
    this.clearBar()
    const ready = this.#stdout.write(this.#text)
    this.#text = ''
    return ready ? undefined : this.#drained()
  }

  /** Writes everything and waits until it is out. */
  async finish(): Promise<void> {
    await this.flush()
    await new Promise<void>((resolve) => { this.#stdout.write('', () => resolve()) })
    this.#stdout.off('error', this.#failed)
    this.#stdout.off('close', this.#closed)
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Prints a line on stderr. */
  say(line: string): void {
    this.clearBar()
    this.#stderr.write(`${line}\n`)
  }

  /** Text in a style, where colours are wanted. */
  paint(style: Style, text: string): string {
    return this.#coloured ? `\x1b[${codes[style]}m${text}\x1b[0m` : text
  }

  /** Shows how far long work is, on a terminal; `rest` stands behind the bar. Call `clearBar` when it is done. */
  bar(done: number, total: number, rest: string): void {
    if (!this.#bars || performance.now() - this.#barAt < BAR_EVERY_MS) return
    this.#barAt = performance.now()
    this.#barShown = true
    const filled = total <= 0 ? 0 : Math.min(BAR_WIDTH, Math.round((BAR_WIDTH * done) / total))
    const line = total <= 0 ? rest : `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${rest}`
    this.#stderr.write(`\r\x1b[K${line.slice(0, (this.#stderr.columns ?? 80) - 1)}`)
  }

  /** Takes the bar away. */
  clearBar(): void {
    if (this.#barShown) this.#stderr.write('\r\x1b[K')
    this.#barShown = false
  }

  readonly #failed = (error: Error & { code?: string }): void => {
    const gone = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED'
    this.#failure ??= gone ? new OutputGone('nobody reads the output any more') : error
    this.#gone.abort(this.#failure)
  }

  readonly #closed = (): void => {
    this.#failure ??= new OutputGone('the output was closed')
    this.#gone.abort(this.#failure)
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        for (const event of ['drain', 'error', 'close']) this.#stdout.off(event, end)
        if (this.#failure !== undefined) reject(this.#failure)
        else if (this.#stdout.destroyed) reject(new OutputGone('the output was closed'))
        else resolve()
      }
      for (const event of ['drain', 'error', 'close']) this.#stdout.on(event, end)
    })
  }
}

/** Lets the event loop turn: a stream that is never slow would keep it for itself. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** https://no-color.org: any value that is not empty turns colours off; FORCE_COLOR turns them on where there is no terminal. */
function wantsColours(stdout: TerminalStream, env: Terminal['env']): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false
  const force = env['FORCE_COLOR']
  if (force !== undefined && force !== '') return force !== '0'
  return stdout.isTTY === true && env['TERM'] !== 'dumb'
}
