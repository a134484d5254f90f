/*
 * One way in for clients, as options have it: a port of each broker, with or without TLS and SASL. Checked, with its defaults.
 */
import { checkInteger, checkOptions, describe } from '../../base/options.ts'
import { isWildcard, plainHost } from '../addresses.ts'
import { type ResolvedSasl, resolvedSasl, type SaslOptions } from './sasl-options.ts'
import { type ResolvedTls, resolvedTls, type TlsOptions } from './tls-options.ts'

/** One way in for clients. */
export interface ListenerOptions {
  /** TCP port of the first broker; the others take the ports behind it. Default 0: ports that are free. */
  readonly port?: number
  /**
   * Address to bind. Default `'localhost'`: loopback only, both its addresses. UNSAFE beyond loopback without `sasl`, or `tls` with
   * `clientAuth: 'required'`: whoever reaches it may do everything; the event `unprotected` says so.
   */
  readonly host?: string
  /**
   * The host that clients are told, where they connect to after the first answer. Default `'localhost'`, or `host` when that is given. It must be
   * given where `host` stands for every address (`'0.0.0.0'`, `'::'`): those are nobody's.
   */
  readonly advertisedHost?: string
  /** Speak TLS. */
  readonly tls?: TlsOptions
  /** Ask clients who they are. */
  readonly sasl?: SaslOptions
}

/** One of several ways in. */
export interface NamedListenerOptions extends ListenerOptions {
  /** What it is called. Default: Kafka's name of the protocol, `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`. */
  readonly name?: string
}

/** One way in, as it holds. */
export interface ResolvedListener {
  readonly name: string
  readonly port: number
  readonly host: string
  readonly advertisedHost: string
  readonly tls: ResolvedTls | undefined
  readonly sasl: ResolvedSasl | undefined
}

const names = ['port', 'host', 'advertisedHost', 'tls', 'sasl']

/** Names of the options that one way in has. */
export const listenerOptionNames: readonly string[] = names

/**
 * Checks the ways in.
 *
 * @param only      what `listen` was told of the only one
 * @param several   `listeners`, when there are several
 * @throws TypeError and RangeError
 */
export function resolvedListeners(only: ListenerOptions, several: readonly NamedListenerOptions[] | undefined): readonly ResolvedListener[] {
  if (several === undefined) return [resolvedListener(only, 'listen')]
  if (!Array.isArray(several) || several.length === 0) throw new TypeError(`listeners of listen are an array of objects, not ${describe(several)}`)
  const alone = names.find((name) => only[name as keyof ListenerOptions] !== undefined)
  if (alone !== undefined) throw new TypeError(`${alone} of listen is said in each of the listeners when there are listeners`)
  const listeners = several.map((given, index) => {
    const where = `listeners[${index}] of listen`
    checkOptions(given, ['name', ...names], where)
    return resolvedListener(given, where)
  })
  const twice = listeners.find(({ name }, index) => listeners.findIndex((other) => other.name === name) !== index)
  if (twice !== undefined) throw new TypeError(`two listeners are called ${twice.name}: give one another name`)
  return listeners
}

function resolvedListener({ name, port, host, advertisedHost, tls, sasl }: NamedListenerOptions, where: string): ResolvedListener {
  checkText(name, `name of ${where}`, 'a name')
  checkInteger(port, 'port', 0, 0xffff)
  checkText(host, 'host', 'the name or address of a host')
  checkText(advertisedHost, 'advertisedHost', 'the name or address of a host')
  const bound = host === undefined ? 'localhost' : host === '*' ? '::' : plainHost(host)
  const advertised = plainHost(advertisedHost ?? bound)
  if (isWildcard(advertised)) throw new TypeError(unreachable(host, advertisedHost, where))
  return {
    name: name ?? `${sasl === undefined ? '' : 'SASL_'}${tls === undefined ? 'PLAINTEXT' : 'SSL'}`,
    port: port ?? 0,
    host: bound,
    advertisedHost: advertised,
    tls: tls === undefined ? undefined : resolvedTls(tls, `tls of ${where}`),
    sasl: sasl === undefined ? undefined : resolvedSasl(sasl, `sasl of ${where}`),
  }
}

function unreachable(host: string | undefined, advertisedHost: string | undefined, where: string): string {
  if (advertisedHost !== undefined) return `advertisedHost of ${where} is how clients reach this machine, and '${advertisedHost}' is every address`
  return `host '${host}' of ${where} is every address: say in advertisedHost how clients reach this machine, by which name or address`
}

function checkText(value: unknown, name: string, what: string): void {
  if (value === undefined || (typeof value === 'string' && value !== '')) return
  throw new TypeError(`${name} is ${what}, not ${describe(value)}`)
}
