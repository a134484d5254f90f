/*
 * What the broker knows of passwords for SCRAM: of users that options name, and of those that clients made with AlterUserScramCredentials,
 * which are kept with the log. A password itself is never kept.
 */
import { type Random } from '../../base/random.ts'
import { type Json } from '../../format/cluster-settings.ts'
import { stretched } from './crypto.ts'
import { type KeptValue } from './kept.ts'
import { type ScramCredential, scramCredential, scramHashes, type ScramMechanism } from './scram.ts'

/** Kafka's bounds of how often a password is hashed, and its default. */
export const MIN_ITERATIONS = 4096
/** As {@link MIN_ITERATIONS}, the most. */
export const MAX_ITERATIONS = 16_384

const SALT_BYTES = 24

/** Numbers of the mechanisms. */
export const scramMechanismCodes: { readonly [Name in ScramMechanism]: number } = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 }
const mechanisms = Object.keys(scramMechanismCodes) as ScramMechanism[]

/** The mechanism with a number. */
export function scramMechanismOf(code: number): ScramMechanism | undefined {
  return mechanisms.find((name) => scramMechanismCodes[name] === code)
}

/** A credential that is set, or one that is taken away. */
export interface ScramChange {
  readonly user: string
  readonly mechanism: ScramMechanism
  /** Absent: taken away. */
  readonly credential?: ScramCredential
}

/** All SCRAM credentials of a log. */
export class ScramCredentials {
  readonly #random: Random
  readonly #kept: KeptValue
  /** Users that the options name, for those who ask which there are. */
  readonly #named: ReadonlySet<string>
  /** What was kept when `#credentials` were read: another listener of the log may change it too. */
  #seen: Json | undefined
  #credentials: ReadonlyMap<string, ScramCredential> = new Map()
  /** Those of the options that a client took away. */
  readonly #removed = new Set<string>()
  /** Of passwords in options, made when somebody first comes with one. */
  readonly #derived = new Map<string, Promise<ScramCredential>>()

  /**
   * @param named  users that options name
   * @param kept   where the credentials that clients set are kept
   */
  constructor(named: Iterable<string>, kept: KeptValue, random: Random) {
    this.#named = new Set(named)
    this.#kept = kept
    this.#random = random
  }

  /** Credentials that clients set, by mechanism and user, as `key` says it. */
  get #set(): ReadonlyMap<string, ScramCredential> {
    const value = this.#kept.get()
    if (value === this.#seen) return this.#credentials
    this.#seen = value
    return (this.#credentials = keptCredentials(value))
  }

  /** The credential of a user, who has this password when the options name one. */
  async find(user: string, mechanism: ScramMechanism, password: string | undefined): Promise<ScramCredential | undefined> {
    const set = this.#set.get(key(user, mechanism))
    if (set !== undefined || password === undefined || this.#removed.has(key(user, mechanism))) return set
    const its = `${key(user, mechanism)}\n${password}`
    let derived = this.#derived.get(its)
    if (derived === undefined) this.#derived.set(its, (derived = this.#derive(mechanism, password)))
    return derived
  }

  async #derive(mechanism: ScramMechanism, password: string): Promise<ScramCredential> {
    const salt = this.#random.bytes(SALT_BYTES)
    const hashName = scramHashes[mechanism]
    return scramCredential(hashName, await stretched(hashName, password, salt, MIN_ITERATIONS), salt, MIN_ITERATIONS)
  }

  /** Users that have a credential, in order. */
  get users(): readonly string[] {
    const users = new Set([...this.#set.keys()].map((its) => its.slice(its.indexOf(' ') + 1)))
    for (const user of this.#named) if (this.of(user).length > 0) users.add(user)
    return [...users].sort()
  }

  /** What a user has. */
  of(user: string): readonly { readonly mechanism: ScramMechanism; readonly iterations: number }[] {
    return mechanisms.flatMap((mechanism) => {
      const set = this.#set.get(key(user, mechanism))
      if (set !== undefined) return [{ mechanism, iterations: set.iterations }]
      return this.#named.has(user) && !this.#removed.has(key(user, mechanism)) ? [{ mechanism, iterations: MIN_ITERATIONS }] : []
    })
  }

  /** Sets credentials and takes them away, all or none, durably. Those of the options are back when the log is listened on again. */
  async change(changes: readonly ScramChange[]): Promise<void> {
    await this.#kept.change((value) => {
      const all = keptCredentials(value)
      for (const change of changes) put(all, change)
      return keptForm(all)
    })
    for (const { user, mechanism, credential } of changes) if (credential === undefined) this.#removed.add(key(user, mechanism))
  }
}

function put(all: Map<string, ScramCredential>, { user, mechanism, credential }: ScramChange): void {
  if (credential === undefined) all.delete(key(user, mechanism))
  else all.set(key(user, mechanism), credential)
}

function key(user: string, mechanism: ScramMechanism): string {
  return `${mechanism} ${user}`
}

/** As it is kept: bytes in base64, by mechanism and user. */
function keptForm(all: ReadonlyMap<string, ScramCredential>): Json {
  return Object.fromEntries([...all].map(([its, { salt, storedKey, serverKey, iterations }]) => [
    its, { salt: salt.toString('base64'), storedKey: storedKey.toString('base64'), serverKey: serverKey.toString('base64'), iterations },
  ]))
}

/** What this version does not understand is left out. */
function keptCredentials(value: Json | undefined): Map<string, ScramCredential> {
  const credentials = new Map<string, ScramCredential>()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return credentials
  for (const [its, item] of Object.entries(value as { readonly [name: string]: Json })) {
    const credential = keptCredential(item)
    if (credential !== undefined && mechanisms.some((name) => its.startsWith(`${name} `))) credentials.set(its, credential)
  }
  return credentials
}

function keptCredential(item: Json): ScramCredential | undefined {
  const { salt, storedKey, serverKey, iterations } = (item ?? {}) as { readonly [name: string]: Json }
  if (typeof salt !== 'string' || typeof storedKey !== 'string' || typeof serverKey !== 'string' || typeof iterations !== 'number') return undefined
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
  return { salt: bytes(salt), storedKey: bytes(storedKey), serverKey: bytes(serverKey), iterations }
}
