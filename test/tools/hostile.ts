/*
 * Damage for property tests: bytes that were right, and then changed.
 */
import fc from 'fast-check'

/** How bytes are changed: a bit flipped, a piece cut out, the end cut off, a piece put in. Places are shares of the length. */
export type Damage =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'cut'; readonly at: number; readonly size: number }
  | { readonly kind: 'end'; readonly at: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

/** One to four changes. */
export const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('cut' as const), at: place, size: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('end' as const), at: place }),
    fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }) }),
  ),
  { minLength: 1, maxLength: 4 },
)

/** A copy of `bytes` with the changes made one after another. */
export function damaged(bytes: Uint8Array, changes: readonly Damage[]): Buffer {
  return changes.reduce(damagedOnce, Buffer.from(bytes))
}

function damagedOnce(bytes: Buffer, damage: Damage): Buffer {
  const at = Math.floor(damage.at * bytes.length)
  switch (damage.kind) {
    case 'flip': {
      const copy = Buffer.from(bytes)
      if (copy.length > 0) copy[at]! ^= 1 << damage.bit
      return copy
    }
    case 'cut':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + damage.size)])
    case 'end':
      return bytes.subarray(0, at)
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), damage.bytes, bytes.subarray(at)])
  }
}
