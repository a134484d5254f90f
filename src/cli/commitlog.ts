#!/usr/bin/env node
/*
 * The executable: gives the command its terminal and ends with its code. What it does is main.ts's.
 */
import { main } from './main.ts'

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The second time nothing is waited for.
  process.once(signal, () => ending.abort(new Error(`ended by ${signal}`)))
}

const { stdout, stderr, env } = process
// Stdin is opened when it is first asked for.
const terminal = { get stdin() { return process.stdin }, stdout, stderr, env, signal: ending.signal }
main(process.argv.slice(2), terminal).then(
  (code) => { process.exitCode = code },
  (error: unknown) => {
    stderr.write(`${String(error)}\n`)
    process.exitCode = 1
  },
)
