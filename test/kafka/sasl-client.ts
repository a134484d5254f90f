/*
 * The client's side of SASL, for tests: written from the RFCs and not with the server's code.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { saslHandshake } from '../../src/kafka/apis/17-sasl-handshake.ts'
import { saslAuthenticate } from '../../src/kafka/apis/36-sasl-authenticate.ts'
import { type RawClient } from './harness.ts'

type Authenticated = Awaited<ReturnType<typeof token>>

/** The one message of PLAIN. */
export function plainToken(name: string, password: string, actingFor = ''): Buffer {
  return Buffer.from(`${actingFor}\0${name}\0${password}`)
}

/** The message with a token. */
export function bearerToken(value: string, actingFor = ''): Buffer {
  return Buffer.from(`n,${actingFor === '' ? '' : `a=${actingFor}`},\x01auth=Bearer ${value}\x01\x01`)
}

/** Sends bytes of a mechanism. */
export function token(client: RawClient, bytes: Uint8Array, version = 2): Promise<{
  errorCode: number; errorMessage: string | null; authBytes: Buffer; sessionLifetimeMs: number
}> {
  return client.request(saslAuthenticate, version, { authBytes: bytes })
}

/** Names the mechanism. */
export function handshake(client: RawClient, mechanism: string, version = 1): Promise<{ errorCode: number; mechanisms: string[] }> {
  return client.request(saslHandshake, version, { mechanism })
}

/** The whole of PLAIN. */
export async function plain(client: RawClient, name: string, password: string): Promise<Authenticated> {
  await handshake(client, 'PLAIN')
  return token(client, plainToken(name, password))
}

/** What a client of SCRAM may do otherwise than it should. */
export interface ScramManners {
  readonly actingFor?: string
  readonly nonce?: (nonce: string) => string
  readonly extensions?: string
}

/** The whole of SCRAM; also checks what the server says to prove itself. */
export async function scram(
  client: RawClient, mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512', name: string, password: string, manners: ScramManners = {},
): Promise<Authenticated> {
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512'
  const hmac = (key: Uint8Array, text: string): Buffer => createHmac(hash, key).update(text).digest()
  await handshake(client, mechanism)
  const header = manners.actingFor === undefined ? 'n,,' : `n,a=${manners.actingFor},`
  const bare = `n=${name.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=fyko+d2lbbFgONRv9qkxdawL${manners.extensions ?? ''}`
  const first = await token(client, Buffer.from(header + bare))
  if (first.errorCode !== 0) return first
  const said = first.authBytes.toString()
  const { nonce, salt, iterations } = /^r=(?<nonce>[^,]+),s=(?<salt>[^,]+),i=(?<iterations>\d+)$/.exec(said)!.groups!
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), hash === 'sha256' ? 32 : 64, hash)
  const unproven = `c=${Buffer.from(header).toString('base64')},r=${manners.nonce?.(nonce!) ?? nonce}`
  const signed = `${bare},${said},${unproven}`
  const clientKey = hmac(salted, 'Client Key')
  const signature = hmac(createHash(hash).update(clientKey).digest(), signed)
  const proof = clientKey.map((byte, index) => byte ^ signature[index]!)
  const last = await token(client, Buffer.from(`${unproven},p=${Buffer.from(proof).toString('base64')}`))
  const proven = `v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`
  if (last.errorCode === 0 && last.authBytes.toString() !== proven) throw new Error('the server did not prove that it knows the password')
  return last
}
