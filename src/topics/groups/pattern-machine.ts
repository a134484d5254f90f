/*
 * Runs the states of a pattern over names. A set of states that was met once is remembered as one node, and where each character leads from it
 * (a deterministic automaton, made as it is needed): names cost a look into a table per character. Nodes are few, and forgotten together when
 * they become many, so that the worst pattern costs states times characters and no more memory.
 */
import { ASCII, type CharSet, wordChars } from './char-sets.ts'
import { type Assertion } from './topic-pattern-parser.ts'

/** A state: a character to go on by, an assertion, or states to go on to without one. The one without any is the end. */
export interface PatternState {
  readonly set: CharSet | undefined
  readonly assertion: Assertion | undefined
  /** Numbers of states. */
  readonly next: readonly number[]
}

/** What stands before or behind a place in the name. */
type Side = 'edge' | 'word' | 'other'

/** States that are to be entered, behind a character of some kind. */
interface Node {
  /** A bit for each state, 16 together. */
  readonly entered: Uint16Array
  readonly none: boolean
  readonly before: Side
  /** Nodes to go on to, by class of the character. */
  readonly to: (Node | undefined)[]
  /** Whether the name may end here. */
  ends: boolean | undefined
}

const MOST_NODES = 256

/** The machine of one pattern. */
export class PatternMachine {
  readonly #states: readonly PatternState[]
  readonly #first: number
  readonly #end: number
  /** Classes of characters that the pattern cannot tell apart, by code. */
  readonly #classes: Uint8Array
  /** A character of each class. */
  readonly #characters: readonly number[]
  readonly #nodes = new Map<string, Node>()
  // Of the walk that is under way
  readonly #met: Uint32Array
  #walks = 0
  readonly #waiting: Uint16Array
  readonly #reached: Uint16Array

  /** @param states  that begin with number `first`, and end with number `end` */
  constructor(states: readonly PatternState[], first: number, end: number) {
    this.#states = states
    this.#first = first
    this.#end = end
    this.#met = new Uint32Array(states.length)
    this.#waiting = new Uint16Array(states.reduce((count, { next }) => count + next.length, states.length))
    this.#reached = new Uint16Array(states.length)
    const { classes, characters } = classesOf(states)
    this.#classes = classes
    this.#characters = characters
  }

  /** Whether the whole name matches. */
  matches(name: string): boolean {
    let node = this.#begin()
    for (let at = 0; at < name.length; at++) {
      const code = name.charCodeAt(at)
      // No set has it.
      if (code >= ASCII) return false
      const character = this.#classes[code]!
      node = node.to[character] ??= this.#behind(node, character)
      if (node.none) return false
    }
    return (node.ends ??= this.#mayEnd(node))
  }

  #begin(): Node {
    const entered = this.#noStates()
    enter(entered, this.#first)
    return this.#node(entered, false, 'edge')
  }

  /** The node behind a character. */
  #behind(node: Node, character: number): Node {
    const code = this.#characters[character]!
    const after = wordChars[code] === 1 ? 'word' : 'other'
    const entered = this.#noStates()
    let none = true
    const count = this.#walk(node, after)
    for (let index = 0; index < count; index++) {
      const { set, next } = this.#states[this.#reached[index]!]!
      if (set === undefined || set[code] === 0) continue
      none = false
      enter(entered, next[0]!)
    }
    return this.#node(entered, none, after)
  }

  #mayEnd(node: Node): boolean {
    const count = this.#walk(node, 'edge')
    return this.#reached.subarray(0, count).includes(this.#end)
  }

  #noStates(): Uint16Array {
    return new Uint16Array(Math.ceil(this.#states.length / 16))
  }

  #node(entered: Uint16Array, none: boolean, before: Side): Node {
    const key = before + String.fromCharCode(...entered)
    let node = this.#nodes.get(key)
    if (node !== undefined) return node
    if (this.#nodes.size >= MOST_NODES) this.#nodes.clear()
    this.#nodes.set(key, (node = { entered, none, before, to: [], ends: undefined }))
    return node
  }

  /** Finds the states of a node that wait for a character, or for the end of the name, when this stands behind; gives how many. */
  #walk({ entered, before }: Node, after: Side): number {
    const [states, met, waiting, reached] = [this.#states, this.#met, this.#waiting, this.#reached]
    const walk = ++this.#walks
    let waits = 0
    let count = 0
    for (let part = 0; part < entered.length; part++) {
      for (let bits = entered[part]!; bits !== 0; bits &= bits - 1) waiting[waits++] = part * 16 + 31 - Math.clz32(bits & -bits)
    }
    while (waits > 0) {
      const number = waiting[--waits]!
      if (met[number] === walk) continue
      met[number] = walk
      const { set, assertion, next } = states[number]!
      if (assertion !== undefined && !holds(assertion, before, after)) continue
      if (set !== undefined || next.length === 0) reached[count++] = number
      else for (let index = 0; index < next.length; index++) waiting[waits++] = next[index]!
    }
    return count
  }
}

function enter(entered: Uint16Array, state: number): void {
  entered[state >> 4]! |= 1 << (state & 15)
}

/** Characters that are in the same sets, and are both of words or not, are one class. */
function classesOf(states: readonly PatternState[]): { readonly classes: Uint8Array; readonly characters: readonly number[] } {
  const sets = new Set(states.flatMap(({ set }) => set ?? []))
  const classes = new Uint8Array(ASCII)
  const characters = [0]
  for (const set of [wordChars, ...sets]) {
    // Each class has one part within the set and one outside.
    const parts = new Map<number, number>()
    for (let code = 0; code < ASCII; code++) {
      const part = classes[code]! * 2 + set[code]!
      let its = parts.get(part)
      if (its === undefined) parts.set(part, (its = parts.size))
      classes[code] = its
      characters[its] = code
    }
  }
  return { classes, characters }
}

function holds(assertion: Assertion, before: Side, after: Side): boolean {
  if (assertion === 'begin') return before === 'edge'
  if (assertion === 'end') return after === 'edge'
  return ((before === 'word') !== (after === 'word')) === (assertion === 'word')
}
