/*
 * What happened in one life, line by line, for the message of a failure. A life normally runs without one; when it fails it is lived once
 * more with a history that takes note of every call to the disk.
 */
import { type DiskCall } from '../../src/testing/disk-faults.ts'

/** Thrown when the log is wrong. */
export class SimulationFailure extends Error {}

/** The lines of one life. */
export class History {
  readonly #lines: (string | DiskCall)[] = []

  /** Takes note of something. Of a call its outcome is told when the history is printed. */
  add(line: string | DiskCall): void {
    this.#lines.push(line)
  }

  /** All lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines.map((line) => (typeof line === 'string' ? line : printed(line)))
  }

  /** The last `count` lines as text. */
  tail(count: number): string {
    return this.lines.slice(-count).join('\n')
  }
}

function printed({ number, verb, path, detail, outcome }: DiskCall): string {
  return `        ${number} ${verb} ${path}${detail && ` ${detail}`}${outcome === 'ok' ? '' : `: ${outcome}`}`
}
