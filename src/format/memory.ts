/*
 * Where decompressed bytes go: who asks for them knows how long they are needed.
 */

/** Gives memory of so many bytes, whatever is in it: new, or some that is used again once what it held was looked at. */
export type Memory = (bytes: number) => Buffer

/** Up to so many bytes {@link memoryUsedAgain} gives the same memory. */
export const USED_AGAIN_BYTES = 1024 * 1024

/**
 * Memory for what is looked at and done with before the next is asked for. Of new memory, megabytes a second of it, the collector of garbage takes
 * more time than the look.
 */
export function memoryUsedAgain(): Memory {
  let kept: Buffer | undefined
  return (bytes) => {
    if (bytes > USED_AGAIN_BYTES) return Buffer.allocUnsafe(bytes)
    kept ??= Buffer.allocUnsafeSlow(USED_AGAIN_BYTES)
    return kept.subarray(0, bytes)
  }
}
