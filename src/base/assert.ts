/*
 * Assertions: for what only a mistake of ours could break. They stay on in production where they are cheap, and nobody catches them.
 */

/** Throws when `condition` is false; `invariant` says what should have held. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Error(`broken invariant of commitlog, please report it: ${invariant}`)
}

/** Marks a place that types say is never reached. */
export function unreachable(value: never): never {
  throw new Error(`broken invariant of commitlog, please report it: unexpected ${String(value)}`)
}
