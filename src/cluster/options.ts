/*
 * What a connection to a cluster may be told, with its defaults, and the checks at the door.
 */
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { type Clock, systemClock } from '../base/clock.ts'
import { checkFunction, checkInteger, checkObject, checkOneOf, checkOptions, checkSignal, describe } from '../base/options.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { compressionNames, type CompressionName } from '../format/compression.ts'
import { type ClusterListener } from './events.ts'

/** How a client proves who it is. */
export type ClusterSasl =
  | { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string }
  | { readonly mechanism: 'oauthbearer'; readonly token: string | (() => string | Promise<string>) }

/** How the connections are made safe. */
export interface ClusterSecurity {
  /** TLS: true for the system's certificate authorities, or the options of `node:tls`. Default: none. */
  readonly tls?: boolean | TlsOptions
  /** Default: none. */
  readonly sasl?: ClusterSasl
}

/** What `connect` may be told. */
export interface ConnectOptions {
  // Where
  /** Some brokers of the cluster, as `host:port`: one that answers names the others. */
  readonly brokers: string | readonly string[]
  readonly security?: ClusterSecurity
  /** How it is called in the brokers' logs and quotas. Default `'commitlog'`. */
  readonly clientId?: string
  // What happens
  /** Copies of each partition of topics that are made. Default: what the cluster has as its own. */
  readonly replication?: number
  /**
   * What names of transactions begin with that are made up. Those of `consume`, which puts records aside, go on with the group and the partition:
   * who has the partition next ends at once what was left open of it, given the same prefix. Default: the client id, and a random part but for
   * those of `consume`.
   */
  readonly transactionalIdPrefix?: string
  /** Called with what happens: brokers that go and come back, topics that a single failure may lose records of. */
  readonly onEvent?: ClusterListener
  // How long
  /** Milliseconds that one request to a broker may take. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** Milliseconds after which a send, or any other call that waits for the cluster, is given up. Default 120 s. */
  readonly timeoutMs?: number
  /** Milliseconds after which a member of a group from which nothing is heard is gone. Default 45 s. */
  readonly sessionTimeoutMs?: number
  /** Ends the connecting. */
  readonly signal?: AbortSignal
  // How fast
  /** How batches are compressed. Default `'none'`. */
  readonly compression?: CompressionName
  /** Bytes of a batch, above which another one begins. Default 1 MiB, at most what the topic takes. */
  readonly batchSize?: number
  /** Bytes of records that are not acknowledged yet, above which `send` rejects with `LOG_BUFFER_FULL`. Default 256 MiB. */
  readonly bufferBytes?: number
  /** Bytes of one answer to a consumer, of all partitions of a broker. Default 8 MiB. */
  readonly fetchBytes?: number
  // For tests
  readonly clock?: Clock
  readonly random?: Random
}

/** A broker's address. */
export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

/** The options with their defaults. */
export interface CheckedConnectOptions {
  readonly brokers: readonly BrokerAddress[]
  readonly security: ClusterSecurity
  readonly clientId: string
  readonly replication: number | undefined
  readonly transactionalIdPrefix: string
  /** What names of transactions begin with that are to be the same after a restart. */
  readonly transactionalIdBase: string
  readonly onEvent: ClusterListener | undefined
  readonly requestTimeoutMs: number
  readonly timeoutMs: number
  readonly sessionTimeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly compression: CompressionName
  readonly batchSize: number
  readonly bufferBytes: number
  readonly fetchBytes: number
  readonly clock: Clock
  readonly random: Random
}

const names: readonly (keyof ConnectOptions)[] = [
  'brokers', 'security', 'clientId', 'replication', 'transactionalIdPrefix', 'onEvent', 'requestTimeoutMs', 'timeoutMs', 'sessionTimeoutMs',
  'signal', 'compression', 'batchSize', 'bufferBytes', 'fetchBytes', 'clock', 'random',
]
const MOST_MS = 0x7fff_ffff
const MOST_BYTES = 0x7fff_ffff
const MIB = 1024 * 1024

/**
 * Checks options and gives them with their defaults.
 *
 * @throws TypeError, RangeError
 */
export function checkConnectOptions(options: ConnectOptions): CheckedConnectOptions {
  if (options === undefined) throw new TypeError('connect takes options, with the addresses of brokers')
  checkOptions(options, names, 'connect')
  const { security = {}, clientId = 'commitlog', replication, onEvent, signal, compression = 'none', clock = systemClock } = options
  const { requestTimeoutMs = 30_000, timeoutMs = 120_000, sessionTimeoutMs = 45_000, random = systemRandom } = options
  const { batchSize = MIB, bufferBytes = 256 * MIB, fetchBytes = 8 * MIB } = options
  checkText(clientId, 'clientId')
  const { transactionalIdPrefix: transactionalIdBase = clientId } = options
  const { transactionalIdPrefix = `${clientId}-${random.int(2 ** 31).toString(36)}${random.int(2 ** 31).toString(36)}` } = options
  checkText(transactionalIdPrefix, 'transactionalIdPrefix')
  checkInteger(replication, 'replication', 1, 0x7fff)
  checkFunction(onEvent, 'onEvent')
  checkInteger(requestTimeoutMs ?? null, 'requestTimeoutMs', 1, MOST_MS)
  checkInteger(timeoutMs ?? null, 'timeoutMs', 1, MOST_MS)
  checkInteger(sessionTimeoutMs ?? null, 'sessionTimeoutMs', 1, MOST_MS)
  checkSignal(signal)
  checkOneOf(compression, 'compression', compressionNames.filter((name) => name !== undefined))
  checkInteger(batchSize ?? null, 'batchSize', 1, MOST_BYTES)
  checkInteger(bufferBytes ?? null, 'bufferBytes', 1, MOST_BYTES)
  checkInteger(fetchBytes ?? null, 'fetchBytes', 1, MOST_BYTES)
  checkSecurity(security)
  return {
    brokers: addresses(options.brokers), security, clientId, replication, transactionalIdPrefix, transactionalIdBase, onEvent,
    requestTimeoutMs, timeoutMs, sessionTimeoutMs, signal, compression, batchSize, bufferBytes, fetchBytes, clock, random,
  }
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} is a name, not ${describe(value)}`)
}

function addresses(given: unknown): BrokerAddress[] {
  const list = typeof given === 'string' ? given.split(',') : given
  if (!Array.isArray(list) || list.length === 0) throw new TypeError(`brokers is 'host:port', or an array of such, not ${describe(given)}`)
  return list.map(addressOf)
}

function addressOf(given: unknown): BrokerAddress {
  const found = typeof given === 'string' ? /^\s*(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})\s*$/.exec(given) : null
  const port = Number(found?.[3])
  if (found === null || port < 1 || port > 65_535) throw new TypeError(`a broker is 'host:port', not ${describe(given)}`)
  return { host: (found[1] ?? found[2])!, port }
}

/** Certificates and keys that cannot be read: told here, and not with every connection. */
function checkTls(tls: TlsOptions): void {
  try {
    if (tls.secureContext === undefined) process.getBuiltinModule('node:tls').createSecureContext(tls)
  } catch (error) {
    throw new TypeError(`security.tls cannot be used: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function checkSecurity(security: unknown): asserts security is ClusterSecurity {
  checkOptions(security, ['tls', 'sasl'], 'security')
  const { tls, sasl } = security as { tls?: unknown; sasl?: unknown }
  if (typeof tls !== 'boolean') {
    checkObject(tls, 'security.tls is true, false, or options of node:tls')
    if (tls !== undefined && tls !== null) checkTls(tls)
  }
  if (sasl === undefined) return
  checkOptions(sasl, ['mechanism', 'username', 'password', 'token'], 'security.sasl')
  const { mechanism, username, password, token } = sasl as Record<string, unknown>
  checkOneOf(mechanism ?? null, 'security.sasl.mechanism', ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'])
  if (mechanism === 'oauthbearer') {
    if (typeof token !== 'function') checkText(token, 'security.sasl.token, when it is no function,')
    return
  }
  checkText(username, 'security.sasl.username')
  if (typeof password !== 'string') throw new TypeError(`security.sasl.password is a string, not ${describe(password)}`)
}
