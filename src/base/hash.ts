/*
 * A 32-bit hash of bytes, xxHash32 in WebAssembly: a place to look, never an identity. Keys that collide can be made on purpose, so whoever
 * finds something by it compares the whole key before believing it.
 *
 * Loaded when it is first needed: most logs never are compacted.
 */
/** Hashes bytes to an unsigned 32-bit integer, the same one in every process. */
export type BytesHash = (bytes: Uint8Array) => number

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
