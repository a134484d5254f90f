/*
 * Ends a process that should end with its stdin and cannot: its event loop is held, so that it hears of nothing. A thread of its own hears that stdin
 * has ended, and asks whether anybody is there; one who is at work and answers may take his time.
 */
import { Worker } from 'node:worker_threads'

/** Seconds without an answer behind the end of stdin. */
const PATIENCE_S = 5

/* Counts ticks and no time: a machine that slept has not waited. Who writes to stdin is read by either thread, and says nothing to both. */
const source = `
  const { parentPort } = require('node:worker_threads')
  const { Socket } = require('node:net')
  let unanswered = 0
  let ticking
  const tick = () => {
    if (unanswered++ === ${PATIENCE_S}) process.kill(process.pid, 'SIGKILL')
    parentPort.postMessage('is anybody there?')
  }
  parentPort.on('message', () => { unanswered = 0 })
  const stdin = new Socket({ fd: 0, readable: true, writable: false })
  for (const event of ['end', 'error', 'close']) stdin.once(event, () => { ticking ??= setInterval(tick, 1000) })
  stdin.resume()
  parentPort.postMessage('watching')
`

/** Watches over this process, whose stdin is a pipe that it ends with, without keeping it alive. Resolves when it watches. */
export function watchStdin(): Promise<void> {
  const watchdog = new Worker(source, { eval: true })
  watchdog.on('message', () => watchdog.postMessage('yes'))
  const watches = new Promise<void>((resolve) => {
    watchdog.once('message', () => resolve())
    // It is as if there were none.
    watchdog.on('error', () => resolve())
  })
  watchdog.unref()
  return watches
}
