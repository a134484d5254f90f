/*
 * Checks of what a caller passes as options, at the door and nowhere below it. A mistake is a TypeError or RangeError that names the
 * option, what it takes and what came; an unknown option is refused with a suggestion, since a misspelt one would be silently ignored.
 */

/**
 * Refuses options that nobody knows.
 *
 * @param given  what the caller passed; undefined counts as none
 * @param known  the names that are allowed
 * @param where  for the message: `CommitLog.open`, `topic "orders"`
 * @throws TypeError when `given` is not an object or has another name in it, with the known name that comes closest
 */
export function checkOptions(given: unknown, known: readonly string[], where: string): void {
  if (given === undefined) return
  checkObject(given, `the options for ${where} are an object`)
  for (const name of Object.keys(given as object)) {
    if (known.includes(name)) continue
    const meant = closest(name, known)
    const hint = meant === undefined ? `it takes ${known.join(', ') || 'none'}` : `did you mean "${meant}"?`
    throw new TypeError(`unknown option "${name}" for ${where}: ${hint}`)
  }
}

/** Lets undefined pass, and integers from `min` to `max`, both included; Infinity only where `max` is Infinity. */
export function checkInteger(value: unknown, name: string, min: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (value === undefined) return
  if (typeof value !== 'number') throw new TypeError(`${name} is an integer, not ${describe(value)}`)
  if (value === Infinity && max === Infinity) return
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  const limits = max >= Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw new RangeError(`${name} is an integer ${limits}${max === Infinity ? ', or Infinity' : ''}, not ${value}`)
}

/** Lets undefined pass, and numbers from `min` to `max`, both included, with fractions. */
export function checkNumber(value: unknown, name: string, min: number, max: number): void {
  if (value === undefined) return
  if (typeof value !== 'number') throw new TypeError(`${name} is a number, not ${describe(value)}`)
  if (!(value >= min && value <= max)) throw new RangeError(`${name} is a number from ${min} to ${max}, not ${value}`)
}

/** Lets undefined pass, and the values in `list`. */
export function checkOneOf(value: unknown, name: string, list: readonly string[]): void {
  if (value === undefined || list.includes(value as string)) return
  const meant = typeof value === 'string' ? closest(value, list) : undefined
  const values = list.map((item) => `'${item}'`).join(', ')
  throw new TypeError(`${name} is one of ${values}, not ${describe(value)}${meant === undefined ? '' : `: did you mean '${meant}'?`}`)
}

/** Lets undefined and objects pass, arrays not; `what` says what is wanted: 'the options for x are an object'. */
export function checkObject(value: unknown, what: string): void {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return
  throw new TypeError(`${what}, not ${describe(value)}`)
}

/** Lets undefined, true and false pass. */
export function checkBoolean(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'boolean') throw new TypeError(`${name} is true or false, not ${describe(value)}`)
}

/** Lets undefined and functions pass. */
export function checkFunction(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'function') throw new TypeError(`${name} is a function, not ${describe(value)}`)
}

/** Lets undefined and abort signals pass, also those of another realm or a polyfill. */
export function checkSignal(value: unknown, name = 'signal'): void {
  if (value === undefined) return
  if (typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value) return
  throw new TypeError(`${name} is an AbortSignal, not ${describe(value)}`)
}

/** A value in the words of an error message: short, with its type where that says more. */
export function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return value.length > 40 ? `a string of ${value.length} characters` : `the string ${JSON.stringify(value)}`
  if (typeof value === 'number') return `the number ${value}`
  if (typeof value === 'bigint') return `the bigint ${value}n`
  if (typeof value === 'function') return value.name === '' ? 'a function' : `the function ${value.name}`
  if (typeof value === 'symbol') return 'a symbol'
  if (Array.isArray(value)) return `an array of ${value.length}`
  const name = (value as object).constructor?.name
  return name === undefined || name === 'Object' ? 'an object' : `an object of class ${name}`
}

/** The name in `list` that was probably meant, if any comes close. */
export function closest(name: string, list: readonly string[]): string | undefined {
  const wanted = plainWords(name)
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1
  for (const candidate of list) {
    const distance = editDistance(wanted, plainWords(candidate))
    if (distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

/** Words that people use for ours: those of KafkaJS and of other logs. */
const synonyms: Readonly<Record<string, string>> = {
  size: 'bytes', length: 'bytes', time: 'ms', timeout: 'ms', duration: 'ms', millis: 'ms', ssl: 'tls',
}

/** `segment.size`, `segment_size` and `segmentSize` all become `segmentbytes`. */
function plainWords(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase().split(/[^a-z0-9]+/)
  return words.map((word) => synonyms[word] ?? word).join('')
}

/** Insertions, removals and replacements that make one of the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
