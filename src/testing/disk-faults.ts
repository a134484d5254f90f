/*
 * What goes wrong on the simulated disk, when, and how often; and the journal of its calls.
 */
import { type Random } from '../base/random.ts'

/** The verbs of a FileSystem and of its handles, as the journal names them. `…Async` are those that return a promise where both exist. */
export type DiskVerb =
  | 'open' | 'stat' | 'list' | 'createFolder' | 'rename' | 'remove' | 'free' | 'read' | 'readAsync' | 'write' | 'writeAsync' | 'truncate'
  | 'size' | 'sync' | 'syncFolder' | 'lock' | 'lockHolder' | 'copy' | 'move' | 'removeAsync' | 'removeAll'

/** One call, as the journal remembers it. */
export interface DiskCall {
  /** Counted from 1, over all verbs. */
  readonly number: number
  readonly verb: DiskVerb
  readonly path: string
  /** Where in the file, and how many bytes; the new length of a truncation; the new name of a rename. */
  readonly detail: string
  /** 'under way', 'ok', 'short', or the code of an error. */
  outcome: string
}

/** Something that goes wrong. All conditions that are given must hold. */
export interface DiskFault {
  // When
  /** Only calls of these verbs. */
  readonly verb?: DiskVerb | readonly DiskVerb[]
  /** Only paths that end with this, or match it. */
  readonly path?: string | RegExp
  /** Only calls for which this is true. */
  readonly when?: (call: DiskCall) => boolean
  /** Only the call with this number. */
  readonly call?: number
  /** Only from the n-th call on that fits the conditions above, counted from 1. Default 1. */
  readonly nth?: number
  /** With this probability, 0 to 1. Default 1. */
  readonly chance?: number
  /** At most so often. Default: always. */
  readonly times?: number
  // What
  /** The call fails with this code of the system: 'EIO', 'ENOSPC', 'EMFILE', 'EROFS', … */
  readonly error?: string
  /** A read or write does only a part of what it was asked for, at least one byte. */
  readonly short?: boolean
}

/** The faults of one disk that are switched on. */
export class DiskFaults {
  readonly #random: Random
  #active: { readonly fault: DiskFault; fits: number; left: number }[] = []

  constructor(random: Random) {
    this.#random = random
  }

  /** Switches a fault on; gives the function that switches it off. */
  add(fault: DiskFault): () => void {
    if ((fault.error === undefined) === (fault.short !== true)) throw new TypeError('a fault has either an error or short: true')
    const active = { fault, fits: 0, left: fault.times ?? Infinity }
    this.#active.push(active)
    return () => void (this.#active = this.#active.filter((other) => other !== active))
  }

  /** Switches all off. */
  clear(): void {
    this.#active = []
  }

  /** The fault that meets `call`, if one does; it counts as used. */
  meets(call: DiskCall): DiskFault | undefined {
    for (const active of this.#active) {
      if (!fits(active.fault, call)) continue
      active.fits++
      if (active.left === 0 || active.fits < (active.fault.nth ?? 1)) continue
      if (active.fault.chance !== undefined && this.#random.next() >= active.fault.chance) continue
      active.left--
      return active.fault
    }
    return undefined
  }
}

/** The last calls of a disk. */
export class DiskJournal {
  readonly #limit: number
  #calls: DiskCall[] = []
  #count = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** How many calls there were. */
  get count(): number {
    return this.#count
  }

  /** The last calls, oldest first. */
  get calls(): readonly DiskCall[] {
    return this.#calls.slice(-this.#limit)
  }

  add(verb: DiskVerb, path: string, detail: string): DiskCall {
    const call = { number: ++this.#count, verb, path, detail, outcome: 'ok' }
    this.#calls.push(call)
    if (this.#calls.length > 2 * this.#limit) this.#calls = this.#calls.slice(-this.#limit)
    return call
  }

  /** The last calls as lines of text. */
  print(): string {
    const line = (call: DiskCall): string => `${call.number} ${call.verb} ${call.path}${call.detail && ` ${call.detail}`} ${call.outcome}`
    return this.calls.map(line).join('\n')
  }
}

function fits(fault: DiskFault, call: DiskCall): boolean {
  if (fault.call !== undefined && fault.call !== call.number) return false
  if (fault.verb !== undefined && !(typeof fault.verb === 'string' ? fault.verb === call.verb : fault.verb.includes(call.verb))) return false
  if (typeof fault.path === 'string' && !call.path.endsWith(fault.path)) return false
  if (fault.path instanceof RegExp && !fault.path.test(call.path)) return false
  return fault.when?.(call) ?? true
}
