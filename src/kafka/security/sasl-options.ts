/*
 * How clients of a listener say who they are, as options have it: checked, with its defaults.
 */
import { checkFunction, checkInteger, checkObject, checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { type OAuthValidator } from './oauthbearer.ts'
import { type SaslMechanism, saslMechanisms } from './sasl-mechanism.ts'

/** How clients of a listener say who they are. */
export interface SaslOptions {
  /** What is offered. Default: PLAIN and both SCRAM when there are `users`, OAUTHBEARER when there is `oauthbearer`. */
  readonly mechanisms?: readonly SaslMechanism[]
  /** Passwords by name, for PLAIN and SCRAM. Clients may add credentials for SCRAM, which are kept with the log. */
  readonly users?: Readonly<Record<string, string>>
  /** Says whose token it is. */
  readonly oauthbearer?: OAuthValidator
  /**
   * Ms after which a client must have authenticated again; the connection of one that has not is closed when it asks for something.
   * Default 0: never, unless its token expires.
   */
  readonly connectionsMaxReauthMs?: number
  /** Ms after which a client is told that it does not get in: what slows guessing down. Default 100, as Kafka's. */
  readonly failedAuthenticationDelayMs?: number
}

/** The options as they hold. */
export interface ResolvedSasl {
  readonly mechanisms: readonly SaslMechanism[]
  readonly passwords: ReadonlyMap<string, string>
  readonly oauthbearer: OAuthValidator | undefined
  readonly connectionsMaxReauthMs: number
  readonly failedAuthenticationDelayMs: number
}

const names = ['mechanisms', 'users', 'oauthbearer', 'connectionsMaxReauthMs', 'failedAuthenticationDelayMs']
const INT32_MAX = 0x7fff_ffff

/**
 * Checks what a listener was told.
 *
 * @param where  for the message: `sasl of listen`
 * @throws TypeError and RangeError
 */
export function resolvedSasl(given: SaslOptions, where: string): ResolvedSasl {
  checkOptions(given, names, where)
  const { users, oauthbearer, connectionsMaxReauthMs, failedAuthenticationDelayMs } = given
  checkObject(users, `users of ${where} are an object of passwords by name`)
  for (const [name, password] of Object.entries(users ?? {})) checkUser(name, password, where)
  checkFunction(oauthbearer, `oauthbearer of ${where}`)
  checkInteger(connectionsMaxReauthMs, `connectionsMaxReauthMs of ${where}`, 0)
  checkInteger(failedAuthenticationDelayMs, `failedAuthenticationDelayMs of ${where}`, 0, INT32_MAX)
  return {
    mechanisms: checkedMechanisms(given, where),
    passwords: new Map(Object.entries(users ?? {})),
    oauthbearer,
    connectionsMaxReauthMs: connectionsMaxReauthMs ?? 0,
    failedAuthenticationDelayMs: failedAuthenticationDelayMs ?? 100,
  }
}

function checkUser(name: string, password: unknown, where: string): void {
  if (name === '' || name.includes('\0')) throw new TypeError(`users of ${where} have names, not ${describe(name)}`)
  if (typeof password === 'string' && password !== '' && !password.includes('\0')) return
  const given = typeof password === 'string' ? 'one that is empty or has a zero in it' : describe(password)
  throw new TypeError(`the password of "${name}" in ${where} is a string, not ${given}`)
}

function checkedMechanisms({ mechanisms, users, oauthbearer }: SaslOptions, where: string): readonly SaslMechanism[] {
  if (mechanisms === undefined) {
    const found = saslMechanisms.filter((name) => (name === 'OAUTHBEARER' ? oauthbearer : users) !== undefined)
    if (found.length === 0) throw new TypeError(`${where} needs users, oauthbearer or mechanisms: nobody could get in`)
    return found
  }
  if (!Array.isArray(mechanisms) || mechanisms.length === 0) {
    throw new TypeError(`mechanisms of ${where} are an array of ${saslMechanisms.join(', ')}, not ${describe(mechanisms)}`)
  }
  for (const name of mechanisms) {
    if (name === undefined) throw new TypeError(`mechanisms of ${where} are names, not undefined`)
    checkOneOf(name, `a mechanism of ${where}`, saslMechanisms)
  }
  if (mechanisms.includes('OAUTHBEARER') && oauthbearer === undefined) throw new TypeError(`OAUTHBEARER needs oauthbearer of ${where}: a function`)
  return [...new Set(mechanisms)]
}
