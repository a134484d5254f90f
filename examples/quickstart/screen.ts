/*
 * What the quickstart prints with: headings, a progress bar, a bar chart, a list of files. Colours and a bar that moves on a terminal,
 * plain lines everywhere else. Nothing here knows about the log.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const terminal = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb'
const coloured = terminal && process.env['NO_COLOR'] === undefined
const WIDTH = 40

let headings = 0

/** Prints a line. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Prints a numbered heading. */
export function heading(text: string): void {
  say(`\n${bold(`${++headings}. ${text}`)}`)
}

/**
 * A progress bar towards `goal`: call what it gives with what is done so far, first when the work begins, and once with a last word. A
 * terminal shows a bar that moves, anything else one line at the end. The rate is that since the first call.
 */
export function progress(goal: number): (done: number, last?: string) => void {
  let first: { readonly done: number; readonly at: number } | undefined
  let shownAt = 0
  return (done, last) => {
    const now = performance.now()
    first ??= { done, at: now }
    if (last === undefined && (!terminal || now - shownAt < 50)) return
    shownAt = now
    const rate = ((done - first.done) / Math.max(1, now - first.at)) * 1000
    const text = `${number(done).padStart(8)} of ${number(goal)}  ${number(rate).padStart(8)} a second${last === undefined ? '' : `  ${last}`}`
    // A line that wraps could not be written over.
    const width = Math.max(0, Math.min(WIDTH, columns() - text.length - 2))
    const filled = Math.round((width * done) / goal)
    const bar = `${paint(32, fill('█', '#').repeat(filled))}${fill('░', '.').repeat(width - filled)}`
    const line = width === 0 ? text.trimStart().slice(0, columns() - 1) : `${bar} ${text}`
    process.stdout.write(`${terminal ? '\r\x1b[K' : ''}${line}${last === undefined ? '' : '\n'}`)
  }
}

/** How wide the terminal is, or what stands for one. */
function columns(): number {
  return process.stdout.columns ?? (Number(process.env['COLUMNS']) || 100)
}

/** Prints one bar for each value; negative ones go to the left. */
export function bars(values: readonly { readonly name: string; readonly value: number }[]): void {
  const most = Math.max(...values.map(({ value }) => Math.abs(value)))
  const leftWidth = values.some(({ value }) => value < 0) ? 8 : 0
  for (const { name, value } of values) {
    const length = Math.round((Math.abs(value) / most) * WIDTH)
    const bar = fill('█', '#').repeat(length)
    const left = value < 0 ? bar.slice(0, leftWidth).padStart(leftWidth) : ' '.repeat(leftWidth)
    say(`${name} ${paint(32, left)}|${value < 0 ? '' : paint(value > most / 2 ? 31 : 33, bar)} ${value.toFixed(1)}`)
  }
}

/** Prints the files of a folder and of those in it, with their sizes. */
export function tree(folder: string): void {
  say(folder)
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name)
    if (!statSync(path).isDirectory()) file('  ', name, path)
    else {
      say(`  ${name}/`)
      for (const inner of readdirSync(path).sort()) file('    ', inner, join(path, inner))
    }
  }
}

function file(indent: string, name: string, path: string): void {
  say(`${indent}${name.padEnd(44 - indent.length)} ${bytes(statSync(path).size).padStart(10)}`)
}

/** `12,345`. */
export function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** `1.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  return count < 1024 * 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`
}

function fill(onTerminal: string, elsewhere: string): string {
  return terminal ? onTerminal : elsewhere
}

function bold(text: string): string {
  return coloured ? `\x1b[1m${text}\x1b[0m` : text
}

function paint(colour: number, text: string): string {
  return coloured ? `\x1b[${colour}m${text}\x1b[0m` : text
}
