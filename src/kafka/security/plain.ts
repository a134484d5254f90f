/*
 * SASL PLAIN: name and password in one message. Spec: RFC 4616; what clients are told is what Kafka tells them.
 */
import { sameText } from './crypto.ts'
import { NOTHING, refused, type SaslConversation, type SaslStep } from './sasl-mechanism.ts'

/** Takes the one message of a client that says its password. */
export class PlainConversation implements SaslConversation {
  readonly #passwords: ReadonlyMap<string, string>

  /** @param passwords  by name */
  constructor(passwords: ReadonlyMap<string, string>) {
    this.#passwords = passwords
  }

  step(bytes: Buffer): SaslStep {
    const tokens = bytes.toString('utf8').split('\0', 4)
    if (tokens.length !== 3) throw refused(`Invalid SASL/PLAIN response: expected 3 tokens, got ${tokens.length}`)
    const [actingFor, name, password] = tokens as [string, string, string]
    if (name === '') throw refused('Authentication failed: username not specified')
    if (password === '') throw refused('Authentication failed: password not specified')
    const expected = this.#passwords.get(name)
    // Compared also when there is no such user: the time says nothing about that.
    const right = sameText(password, expected ?? '')
    if (!right || expected === undefined) throw refused('Authentication failed: Invalid username or password')
    if (actingFor !== '' && actingFor !== name) {
      throw refused('Authentication failed: Client requested an authorization id that is different from username')
    }
    return { answer: NOTHING, identity: { name } }
  }
}
