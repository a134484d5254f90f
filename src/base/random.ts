/*
 * Chance as the log sees it. Whatever is drawn from here can be drawn again from the same seed. node:crypto takes long to load and is
 * needed for new logs and topics only, so it waits for its first use.
 */

/** The only door to chance for everything below the listener. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** An integer in [0, below); `below` from 1 to 2^32. */
  int(below: number): number
  /** `count` fresh bytes. */
  bytes(count: number): Uint8Array
}

/** The machine's randomness, fit for identifiers. */
export const systemRandom: Random = {
  next: () => Math.random(),
  int: (below) => Math.floor(Math.random() * below),
  bytes: (count) => new Uint8Array(process.getBuiltinModule('node:crypto').randomBytes(count)),
}

/** A generator that repeats itself: the same `seed` gives the same draws (mulberry32). Not for identifiers. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const draw = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    next: () => draw() / 0x1_0000_0000,
    int: (below) => Math.floor((draw() / 0x1_0000_0000) * below),
    bytes: (count) => Uint8Array.from({ length: count }, () => draw() & 0xff),
  }
}
