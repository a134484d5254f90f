/*
 * The cryptography that SASL needs. node:crypto takes long to load and a listener without SASL needs none of it, so it waits for its first use.
 */

const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto')

/** A hash function of SCRAM. */
export type HashName = 'sha256' | 'sha512'

/** The hash of some bytes. */
export function hash(name: HashName, bytes: Uint8Array): Buffer {
  return crypto().createHash(name).update(bytes).digest()
}

/** The keyed hash of some bytes. */
export function hmac(name: HashName, key: Uint8Array, bytes: Uint8Array | string): Buffer {
  return crypto().createHmac(name, key).update(bytes).digest()
}

/** PBKDF2, on a thread of its own: as long as the hash. */
export function stretched(name: HashName, password: string, salt: Uint8Array, iterations: number): Promise<Buffer> {
  const { pbkdf2 } = crypto()
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, name === 'sha256' ? 32 : 64, name, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}

/** Whether two byte strings are the same, in a time that does not tell where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && crypto().timingSafeEqual(a, b)
}

/** Whether two texts are the same, in a time that tells neither where they differ nor how long the second one is. */
export function sameText(a: string, b: string): boolean {
  return sameBytes(hash('sha256', Buffer.from(a)), hash('sha256', Buffer.from(b)))
}
