/*
 * What the JavaScript clients share: the data of the scenarios, and how a program says what it saw, a line of JSON for each step.
 */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
export const LARGE = 'L'.repeat(900 * 1024)
export const T0 = 1_700_000_000_000

/** What record `i` of a codec holds: long enough to be worth compressing. */
export const codecValue = (codec, i) => `${codec} ${i} ${'x'.repeat(100)}`

/** `count` things, made from their numbers. */
export const each = (count, make) => Array.from({ length: count }, (_, i) => make(i))

/** Bytes as a scenario shows them: text, or the size of what is long. */
export function shown(bytes) {
  if (bytes === null || bytes === undefined) return null
  return bytes.length > 1000 ? `${bytes.length} bytes` : String(bytes)
}

/** Waits until something holds, for 30 seconds. */
export async function eventually(holds) {
  for (const until = performance.now() + 30_000; performance.now() < until;) {
    if (await holds()) return
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
  throw new Error(`waited 30 seconds for ${holds}`)
}

/** Runs the scenarios that the command line names. One that fails says so, and the next one runs. */
export async function run(scenarios) {
  for (const scenario of process.argv.slice(3)) {
    const say = (step, details) => process.stdout.write(`${JSON.stringify({ scenario, step, ...details })}\n`)
    try {
      await scenarios[scenario](say)
    } catch (error) {
      say('failed', { reason: String(error?.stack ?? error) })
    }
  }
}
