import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { OutputGone, Screen, type TerminalStream } from '../../src/cli/screen.ts'

/** A stream that keeps what is written, and takes each piece when it is told to, or at once. */
function stream(options: { columns?: number; held?: boolean; failing?: string } = {}): { stream: TerminalStream; text(): string; take(): void } {
  let text = ''
  let taken: (() => void) | undefined
  const writable = new Writable({
    highWaterMark: 1024,
    write(chunk: Buffer, _encoding, done) {
      if (options.failing !== undefined) return done(Object.assign(new Error(options.failing), { code: options.failing }))
      text += chunk.toString()
      if (options.held === true) taken = done
      else done()
    },
  })
  const terminal = options.columns === undefined ? {} : { isTTY: true, columns: options.columns }
  return { stream: Object.assign(writable, terminal), text: () => text, take: () => taken?.() }
}

const line = 'x'.repeat(1000)

describe('lines', () => {
  test('gather, and are all there at the end', async () => {
    const [out, err] = [stream(), stream()]
    const screen = new Screen({ stdout: out.stream, stderr: err.stream, env: {} })
    expect(screen.print('one')).toBeUndefined()
    expect(out.text()).toBe('')
    await screen.print('two')
    await screen.finish()
    expect(out.text()).toBe('one\ntwo\n')
  })

  test('wait for a slow reader', async () => {
    const out = stream({ held: true })
    const screen = new Screen({ stdout: out.stream, stderr: stream().stream, env: {} })
    let waiting: Promise<void> | undefined
    while (waiting === undefined) waiting = screen.print(line)
    let over = false
    void waiting.then(() => { over = true })
    await new Promise((resolve) => setImmediate(resolve))
    expect(over).toBe(false)
    out.take()
    await waiting
  })

  test('let the event loop turn now and then, however fast the reader is', async () => {
    const screen = new Screen({ stdout: stream().stream, stderr: stream().stream, env: {} })
    let turned = false
    setImmediate(() => { turned = true })
    for (let number = 0; number < 200; number++) await screen.print(line)
    expect(turned).toBe(true)
  })

  test('end with OutputGone when nobody reads any more, and with the error when the disk is full', async () => {
    for (const { failing, expected } of [{ failing: 'EPIPE', expected: OutputGone }, { failing: 'ENOSPC', expected: /ENOSPC/ }]) {
      const screen = new Screen({ stdout: stream({ failing }).stream, stderr: stream().stream, env: {} })
      await screen.print('one')
      await expect(screen.finish()).rejects.toThrow(expected as RegExp)
    }
  })
})

describe('the progress bar', () => {
  test('is shown on a terminal, no wider than that, and taken away before other words', () => {
    const err = stream({ columns: 40 })
    const screen = new Screen({ stdout: stream().stream, stderr: err.stream, env: {} })
    screen.bar(50, 100, '50 of 100, and many more words')
    const shown = err.text()
    expect(shown).toContain('█')
    expect(shown.replace('\r\x1b[K', '').length).toBeLessThan(40)
    screen.say('done')
    expect(err.text()).toBe(`${shown}\r\x1b[Kdone\n`)
  })

  test('is not shown elsewhere', () => {
    const err = stream()
    const screen = new Screen({ stdout: stream().stream, stderr: err.stream, env: {} })
    screen.bar(50, 100, 'half')
    expect(err.text()).toBe('')
  })
})
