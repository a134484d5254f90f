/*
 * What a subcommand is, and how its words are read: positional arguments, options, their help. A mistake in them is a UsageError of one
 * clear line, with what was probably meant; it ends the command with code 2.
 */
import { parseArgs } from '../base/node-util.ts'
import { closest } from '../base/options.ts'
import { type StartPosition } from '../topics/start-position.ts'
import { type Screen, type Terminal } from './screen.ts'

/** A mistake in how the command was called. */
export class UsageError extends Error {}

/** An option of a subcommand. */
export interface Option {
  /** Stands for the value in the help; undefined for an option that is only there or not. */
  readonly value?: string
  /** It may be given several times. */
  readonly many?: boolean
  /** A letter for short. */
  readonly short?: string
  readonly help: string
}

/** A subcommand. */
export interface Command {
  readonly name: string
  /** What it does, in a line. */
  readonly summary: string
  /** Names of the arguments, in their order. */
  readonly positionals: readonly string[]
  /** How many of them have to be there, the first ones. Default: all. */
  readonly needs?: number
  readonly options: Readonly<Record<string, Option>>
  /** More for its own help. */
  readonly notes?: readonly string[]
  /** Runs it and gives the exit code: 0, or 1 for damage. */
  run(call: Call): Promise<number>
}

type Values = Readonly<Record<string, string | boolean | readonly string[]>>

/** One call of a subcommand: what it was given, and where it prints. */
export class Call {
  readonly screen: Screen
  readonly terminal: Terminal
  readonly #values: Values
  readonly #positionals: ReadonlyMap<string, string>

  constructor(parts: { screen: Screen; terminal: Terminal; values: Values; positionals: ReadonlyMap<string, string> }) {
    this.screen = parts.screen
    this.terminal = parts.terminal
    this.#values = parts.values
    this.#positionals = parts.positionals
  }

  /** Whether the output is for machines. */
  get json(): boolean {
    return this.flag('json')
  }

  argument(name: string): string {
    return this.#positionals.get(name)!
  }

  /** An argument that need not be there. */
  given(name: string): string | undefined {
    return this.#positionals.get(name)
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** The value of an option; undefined when it was not given. */
  text(name: string): string | undefined {
    return this.#values[name] as string | undefined
  }

  /** The values of an option that may be given several times. */
  texts(name: string): readonly string[] {
    return (this.#values[name] as readonly string[] | undefined) ?? []
  }

  /** The value of an option that is a whole number of at least `least`. */
  number(name: string, least = 0): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new UsageError(`--${name} takes a whole number of at least ${least}, not "${text}"`)
  }

  /** The value of an option that is a place in a partition: an offset, "earliest", "latest" or a time. */
  position(name: string): StartPosition | undefined {
    const text = this.text(name)
    if (text === undefined || text === 'earliest' || text === 'latest') return text
    if (/^\d{1,16}$/.test(text)) return Number(text)
    const timestamp = Date.parse(text)
    if (Number.isNaN(timestamp)) throw new UsageError(`--${name} takes an offset, "earliest", "latest" or a time, not "${text}"`)
    return { timestamp }
  }

  /** The value of an option that is one of a few words. */
  oneOf<const Word extends string>(name: string, list: readonly Word[]): Word | undefined {
    const text = this.text(name)
    if (text === undefined || (list as readonly string[]).includes(text)) return text as Word | undefined
    throw new UsageError(`--${name} is one of ${list.join(', ')}, not "${text}"${suggestion(text, list)}`)
  }
}

/** Every subcommand takes these. */
const commonOptions = {
  json: { help: 'print JSON, a line for each thing' },
  help: { short: 'h', help: 'print this' },
} as const satisfies Record<string, Option>

/** Reads the words behind a subcommand's name; undefined when they ask for its help. */
export function parseCall(command: Command, words: readonly string[], screen: Screen, terminal: Terminal): Call | undefined {
  const options: Record<string, Option> = { ...command.options, ...commonOptions }
  const { values, positionals, tokens } = parseArgs({
    args: [...words], strict: false, allowPositionals: true, tokens: true,
    options: Object.fromEntries(Object.entries(options).map(([name, { value, short, many = false }]) => [
      name, { type: value === undefined ? 'boolean' as const : 'string' as const, multiple: many, ...(short !== undefined && { short }) },
    ])),
  })
  for (const token of tokens) if (token.kind === 'option') checkOption(token, options)
  if (values['help'] === true) return undefined
  checkPositionals(command, positionals)
  const named = new Map(positionals.map((value, index) => [command.positionals[index]!, value]))
  return new Call({ screen, terminal, values: values as Values, positionals: named })
}

/** The help of a subcommand. */
export function commandHelp(command: Command): string {
  const options = Object.entries({ ...command.options, ...commonOptions }).map(([name, option]: [string, Option]) => [
    `${option.short === undefined ? '    ' : `-${option.short}, `}--${name}${option.value === undefined ? '' : ` ${option.value}`}`, option.help,
  ] as const)
  return [
    `${synopsis(command)} [options]`, '', sentence(command.summary),
    ...(command.notes === undefined ? [] : ['', ...command.notes]), '', ...columns(options),
  ].join('\n')
}

/** Pairs in two columns. */
export function columns(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([left]) => left.length))
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}

/** `: did you mean "…"?` when something comes close; to a letter or two everything does. */
export function suggestion(given: string, list: readonly string[], prefix = ''): string {
  const meant = given.length < 3 ? undefined : closest(given, list)
  return meant === undefined ? '' : `: did you mean "${prefix}${meant}"?`
}

/** An option as it was given. */
interface Given {
  readonly name: string
  /** With its hyphens. */
  readonly rawName: string
  readonly value?: string | undefined
  /** The value stood behind `=`. */
  readonly inlineValue?: boolean | undefined
}

function checkOption({ name, rawName, value, inlineValue }: Given, options: Readonly<Record<string, Option>>): void {
  const option = options[name]
  if (option === undefined) throw new UsageError(`unknown option "${rawName}"${suggestion(name, Object.keys(options), '--')}`)
  if (option.value === undefined && inlineValue === true) throw new UsageError(`${rawName} takes no value`)
  if (option.value !== undefined && value === undefined) throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`)
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const { positionals, needs = positionals.length } = command
  if (given.length > positionals.length) throw new UsageError(`unexpected argument "${given[positionals.length]}"`)
  const missing = positionals.slice(0, needs)[given.length]
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing: ${synopsis(command)}`)
  const empty = positionals.find((_, index) => given[index] === '')
  if (empty !== undefined) throw new UsageError(`<${empty}> is empty`)
}

/** `commitlog dump <folder>`. */
function synopsis({ name, positionals, needs = positionals.length }: Command): string {
  return ['commitlog', name, ...positionals.map((argument, index) => (index < needs ? `<${argument}>` : `[${argument}]`))].join(' ')
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`
}
