/*
 * SASL OAUTHBEARER: the client shows a token, and a function of the user says whose it is. Spec: RFC 7628; KIP-255.
 */
import { type Clock } from '../../base/clock.ts'
import { NOTHING, refused, type SaslConversation, SaslRefusal, type SaslStep } from './sasl-mechanism.ts'

/** Whose token it is. */
export interface OAuthIdentity {
  /** The name of the principal: `ada` becomes `User:ada`. */
  readonly principal: string
  /** When the token expires, in ms since 1970: what Kafka calls its lifetime. Left out: it does not. */
  readonly lifetimeMs?: number
}

/** Why a token is none, in the words of RFC 6750. */
export interface OAuthRefusal {
  /** `invalid_token`, `insufficient_scope` … */
  readonly error: string
  /** What scope it would take. */
  readonly scope?: string
  /** Where the client learns more. */
  readonly openidConfiguration?: string
}

/**
 * Says whose a token is. What it throws is an invalid token; the client is not told more.
 *
 * @param extensions  what else the client said, unchecked
 */
export type OAuthValidator = (
  token: string, extensions: ReadonlyMap<string, string>,
) => OAuthIdentity | OAuthRefusal | Promise<OAuthIdentity | OAuthRefusal>

const NAME = String.raw`(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+`
const PAIRS = String.raw`(?:[A-Za-z]+=[\x21-\x7e \t\r\n]+\x01)*`
const clientFirst = new RegExp(String.raw`^n,(?:a=(?<actingFor>${NAME}))?,\x01(?<pairs>${PAIRS})\x01$`)
const bearer = /^(?<scheme>\w+) +(?<token>[-_~+/.a-zA-Z0-9]+=*)$/
const INVALID: OAuthRefusal = { error: 'invalid_token' }

/** Takes the message with the token. */
export class OAuthConversation implements SaslConversation {
  readonly #validate: OAuthValidator
  readonly #clock: Clock
  /** What the client was told of its token; it says that it read that, and then it is over. */
  #complaint: string | undefined

  constructor(validate: OAuthValidator, clock: Clock) {
    this.#validate = validate
    this.#clock = clock
  }

  async step(bytes: Buffer): Promise<SaslStep> {
    if (this.#complaint !== undefined && bytes.length === 1 && bytes[0] === 1) throw refused(this.#complaint)
    const { token, actingFor, extensions } = parsed(bytes.toString('utf8'))
    const found = await this.#validated(token, extensions)
    if ('error' in found) {
      this.#complaint = complaint(found)
      return { answer: Buffer.from(this.#complaint) }
    }
    const { principal, lifetimeMs } = found
    if (actingFor !== '' && actingFor !== principal) {
      const asked = `Client requested an authorization id (${actingFor}) that is different from the token's principal name (${principal})`
      throw refused(`Authentication failed: ${asked}`)
    }
    return { answer: NOTHING, identity: { name: principal, ...(lifetimeMs !== undefined && { expiresAt: lifetimeMs }) } }
  }

  async #validated(token: string, extensions: ReadonlyMap<string, string>): Promise<OAuthIdentity | OAuthRefusal> {
    try {
      const found = await this.#validate(token, extensions)
      if (typeof found !== 'object' || found === null) return INVALID
      if ('error' in found) return typeof found.error === 'string' ? found : INVALID
      if (typeof found.principal !== 'string' || found.principal === '') return INVALID
      const { lifetimeMs } = found
      return lifetimeMs === undefined || (typeof lifetimeMs === 'number' && lifetimeMs > this.#clock.now()) ? found : INVALID
    } catch {
      return INVALID
    }
  }
}

function parsed(message: string): { token: string; actingFor: string; extensions: ReadonlyMap<string, string> } {
  const parts = clientFirst.exec(message)?.groups
  if (parts === undefined) throw new SaslRefusal('the first message of the client has another form')
  const extensions = new Map(parts['pairs']!.split('\x01').filter((pair) => pair !== '').map((pair) => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at), pair.slice(at + 1)]
  }))
  const auth = bearer.exec(extensions.get('auth') ?? '')?.groups
  if (auth === undefined || auth['scheme']!.toLowerCase() !== 'bearer') throw new SaslRefusal('the client shows no bearer token')
  extensions.delete('auth')
  return { token: auth['token']!, actingFor: parts['actingFor'] ?? '', extensions }
}

/** As Kafka writes it. */
function complaint({ error, scope, openidConfiguration }: OAuthRefusal): string {
  const parts = [`"status":${JSON.stringify(error)}`]
  if (scope !== undefined) parts.push(` "scope":${JSON.stringify(scope)}`)
  if (openidConfiguration !== undefined) parts.push(` "openid-configuration":${JSON.stringify(openidConfiguration)}`)
  return `{${parts.join(',')}}`
}
