/*
 * SASL SCRAM: the client proves that it knows the password without saying it, and so does the server. Without channel binding, as Kafka's.
 * Spec: RFC 5802, RFC 7677.
 */
import { type Random } from '../../base/random.ts'
import { hash, type HashName, hmac, sameBytes } from './crypto.ts'
import { refused, type SaslConversation, SaslRefusal, type SaslStep } from './sasl-mechanism.ts'

/** A mechanism of SCRAM. */
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

/** The hash that each has. */
export const scramHashes: { readonly [Name in ScramMechanism]: HashName } = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' }

/** What the server knows of a password. */
export interface ScramCredential {
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
  readonly iterations: number
}

/** What the server must know, from the salted password. */
export function scramCredential(hashName: HashName, saltedPassword: Uint8Array, salt: Uint8Array, iterations: number): ScramCredential {
  const storedKey = hash(hashName, hmac(hashName, saltedPassword, 'Client Key'))
  return { salt: Buffer.from(salt), storedKey, serverKey: hmac(hashName, saltedPassword, 'Server Key'), iterations }
}

// Every class of characters excludes the comma that ends it, so that nothing here is matched in two ways.
const NAME = String.raw`(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+`
const VALUE = String.raw`[\x01-\x2b\x2d-\x7f]+`
const NONCE = String.raw`[\x21-\x2b\x2d-\x7e]+`
const BASE64 = String.raw`(?:[a-zA-Z0-9/+]{4})*(?:[a-zA-Z0-9/+]{3}=|[a-zA-Z0-9/+]{2}==)?`
const EXTENSIONS = `(?:,[A-Za-z]+=${VALUE})*`
const BARE = `(?<bare>(?:m=${VALUE},)?n=(?<name>${NAME}),r=(?<nonce>${NONCE})(?<more>${EXTENSIONS}))`
const clientFirst = new RegExp(`^n,(?:a=(?<actingFor>${NAME}))?,${BARE}$`)
const clientFinal = new RegExp(`^(?<unproven>c=${BASE64},r=(?<nonce>${NONCE})${EXTENSIONS}),p=(?<proof>${BASE64})$`)

const NONCE_BYTES = 18

/** Finds what the server knows of a user; undefined when it knows nothing. */
export type FindCredential = (name: string) => Promise<ScramCredential | undefined>

/** The state after the first message. */
interface Begun {
  readonly name: string
  readonly credential: ScramCredential
  readonly nonce: string
  /** The first message of the client and that of the server, as they were signed. */
  readonly said: string
}

/** The server's side of SCRAM. */
export class ScramConversation implements SaslConversation {
  readonly #hash: HashName
  readonly #find: FindCredential
  readonly #random: Random
  #begun: Begun | undefined

  constructor(mechanism: ScramMechanism, find: FindCredential, random: Random) {
    this.#hash = scramHashes[mechanism]
    this.#find = find
    this.#random = random
  }

  step(bytes: Buffer): Promise<SaslStep> | SaslStep {
    return this.#begun === undefined ? this.#first(bytes.toString('utf8')) : this.#final(bytes.toString('utf8'), this.#begun)
  }

  async #first(message: string): Promise<SaslStep> {
    const parts = clientFirst.exec(message)?.groups
    if (parts === undefined) throw new SaslRefusal('the first message of the client has another form')
    if (/,tokenauth=true(?:,|$)/.test(parts['more']!)) throw new SaslRefusal('there are no delegation tokens')
    const name = unescaped(parts['name']!)
    const credential = await this.#find(name)
    if (credential === undefined) throw new SaslRefusal(`there is no credential of "${name}"`)
    const actingFor = parts['actingFor']
    if (actingFor !== undefined && unescaped(actingFor) !== name) {
      throw refused('Authentication failed: Client requested an authorization id that is different from username')
    }
    const nonce = parts['nonce']! + Buffer.from(this.#random.bytes(NONCE_BYTES)).toString('base64url')
    const answer = `r=${nonce},s=${credential.salt.toString('base64')},i=${credential.iterations}`
    this.#begun = { name, credential, nonce, said: `${parts['bare']!},${answer}` }
    return { answer: Buffer.from(answer) }
  }

  #final(message: string, { name, credential, nonce, said }: Begun): SaslStep {
    const parts = clientFinal.exec(message)?.groups
    if (parts === undefined) throw new SaslRefusal('the last message of the client has another form')
    if (parts['nonce'] !== nonce) throw new SaslRefusal('the nonce of the client is another one')
    const signed = `${said},${parts['unproven']!}`
    const proof = Buffer.from(parts['proof']!, 'base64')
    const signature = hmac(this.#hash, credential.storedKey, signed)
    if (proof.length !== signature.length) throw new SaslRefusal('the proof has another length')
    const clientKey = Buffer.from(proof.map((byte, index) => byte ^ signature[index]!))
    if (!sameBytes(hash(this.#hash, clientKey), credential.storedKey)) throw new SaslRefusal(`the password of "${name}" is another one`)
    return { answer: Buffer.from(`v=${hmac(this.#hash, credential.serverKey, signed).toString('base64')}`), identity: { name } }
  }
}

/** Commas and equals signs have names of their own in SCRAM. */
function unescaped(text: string): string {
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}
