/*
 * Hashes of bytes, xxHash in WebAssembly: a place to look, never an identity. Keys that collide can be made on purpose, so whoever
 * finds something by one compares the whole key before believing it.
 *
 * Loaded when it is first needed: most logs never are compacted.
 */
/** Hashes bytes to an unsigned 32-bit integer, the same one in every process. */
export type BytesHash = (bytes: Uint8Array) => number

/** Hashes bytes to an unsigned 64-bit integer, the same one in every process: slow, for what is hashed rarely. */
export type BytesHash64 = (bytes: Uint8Array) => bigint

let loading: Promise<BytesHash> | undefined

/** Loads the hash, once for the process. */
export function loadHash(): Promise<BytesHash> {
  return (loading ??= load())
}

async function load(): Promise<BytesHash> {
  const { default: library } = await import('xxhash-wasm')
  const { h32Raw } = await library()
  return (bytes) => h32Raw(bytes)
}

let loading64: Promise<BytesHash64> | undefined

/** Loads the hash of 64 bits, once for the process. */
export function loadHash64(): Promise<BytesHash64> {
  return (loading64 ??= load64())
}

async function load64(): Promise<BytesHash64> {
  const { default: library } = await import('xxhash-wasm')
  const { h64Raw } = await library()
  return (bytes) => h64Raw(bytes)
}
