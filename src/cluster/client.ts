/*
 * The one place that knows the client's package, which is an optional peer: it opens connections, secures them, and encodes what is asked of
 * brokers. Records it never sees: batches go to it and come from it as bytes. Why this package: docs/design/0013-cluster-client.md.
 */
import type * as Package from '@platformatic/kafka'
import { LogError } from '../base/errors.ts'
import { type BrokerAddress, type CheckedConnectOptions, type ClusterSasl } from './options.ts'

/** The client's package. */
export type ClientPackage = typeof Package

/** A connection to one broker. */
export type BrokerConnection = Package.Connection

/** Connections, at most one to each broker. */
export type BrokerConnections = Package.ConnectionPool

/** A request in one version. */
export interface RequestApi<Args extends unknown[], Answer> {
  async(connection: BrokerConnection, ...args: Args): Promise<Answer>
}

const PACKAGE = '@platformatic/kafka'

let loaded: Promise<ClientPackage> | undefined

/**
 * Loads the client, once.
 *
 * @throws LogError `LOG_CLIENT_MISSING`
 */
export function loadClient(): Promise<ClientPackage> {
  return (loaded ??= import('@platformatic/kafka').catch((error: unknown) => {
    loaded = undefined
    throw new LogError('LOG_CLIENT_MISSING', `commitlog/cluster needs ${PACKAGE}: npm install ${PACKAGE}`, { package: PACKAGE }, error)
  }))
}

/** New connections, made as they are asked for. `inFlight` requests may be under way on each. */
export function openConnections(
  client: ClientPackage, { clientId, security }: Pick<CheckedConnectOptions, 'clientId' | 'security'>,
  times: { readonly requestTimeoutMs: number; readonly inFlight: number },
): BrokerConnections {
  const { tls, sasl } = security
  const pool = new client.ConnectionPool(clientId, {
    requestTimeout: times.requestTimeoutMs, connectTimeout: Math.min(times.requestTimeoutMs, 10_000), maxInflights: times.inFlight,
    ...(tls !== undefined && tls !== false && { tls: tls === true ? {} : tls, tlsServerName: tls === true ? true : (tls.servername ?? true) }),
    ...(sasl !== undefined && { sasl: { ...saslOf(sasl), authenticate: authenticator(client, sasl) } }),
  })
  // Told to whoever asks: a connection that nobody asks anything of at the moment must not end the process with its own.
  pool.on('connecting', ({ connection }) => { connection.on('error', (error: unknown) => { troubles.set(connection, error) }) })
  return pool
}

/** What ended connections: those who asked are told by the package only that they were closed. */
const troubles = new WeakMap<BrokerConnection, unknown>()

function saslOf(sasl: ClusterSasl): Package.SASLOptions {
  const mechanism = sasl.mechanism.toUpperCase() as Package.SASLOptions['mechanism']
  if (sasl.mechanism === 'oauthbearer') return { mechanism, token: sasl.token, authBytesValidator: checkToken }
  return { mechanism, username: sasl.username, password: sasl.password }
}

/** A timer that is set for longer fires at once: the package sets one for 0.8 of a session's time. */
const LONGEST_SESSION_MS = 0x7fff_ffff

/** As the package does it, with sessions that no timer overflows by: of a token for 90 days a new one is asked for sooner. */
function authenticator({ saslOAuthBearer, saslPlain, saslScramSha }: ClientPackage, sasl: ClusterSasl): Package.SASLCustomAuthenticator {
  return (mechanism, connection, ask, username, password, token, callback) => {
    const done = ((error, answer) => {
      const isLong = answer !== undefined && answer !== null && answer.sessionLifetimeMs > LONGEST_SESSION_MS
      callback(error, isLong ? { ...answer, sessionLifetimeMs: BigInt(LONGEST_SESSION_MS) } : answer)
    }) as typeof callback
    if (sasl.mechanism === 'oauthbearer') return saslOAuthBearer.authenticate(ask, connection, token!, {}, done)
    if (sasl.mechanism === 'plain') return saslPlain.authenticate(ask, connection, username!, password!, done)
    const algorithm = mechanism.slice('SCRAM-'.length) as Parameters<typeof saslScramSha.authenticate>[2]
    saslScramSha.authenticate(ask, connection, algorithm, username!, password!, saslScramSha.defaultCrypto, done)
  }
}

/** A broker that takes a token says nothing; what it says is why it does not (RFC 7628), and it hears nothing more then. */
function checkToken(answer: Buffer, done: (error: Error | null, answer: Buffer) => void): void {
  const said = answer.toString()
  done(said === '' ? null : new Error(`the broker does not take the token: ${said}`), answer)
}

/** A request whose bytes are made and read here, not by the package. */
export interface RawRequest<Answer> {
  readonly key: number
  readonly version: number
  /** The body, behind the header, in pieces. */
  readonly body: readonly Buffer[]
  /** Reads the body of the answer; the bytes are the reader's own. */
  readonly read: (bytes: Buffer) => Answer
}

/** Sends such a request, of a version with tagged fields. */
export function askRaw<Answer>({ Writer }: ClientPackage, connection: BrokerConnection, request: RawRequest<Answer>): Promise<Answer> {
  const { key, version, body, read } = request
  return new Promise((resolve, reject) => {
    connection.send<Answer>(
      key, version, () => body.reduce((writer, piece) => writer.append(piece), Writer.create()),
      (_id, _key, _version, reader) => read(reader.buffer.slice(reader.position, reader.buffer.length)),
      true, true, (error, answer) => (error ? reject(error) : resolve(answer as Answer)),
    )
  })
}

/** What an error of the package is about. */
export type ClientFailure =
  /** A broker answered; the answer has error numbers. */
  | { readonly type: 'answer'; readonly answer: unknown }
  /** The broker does not believe who asks. */
  | { readonly type: 'authentication' }
  /** No connection could be made: nothing was asked. */
  | { readonly type: 'unreachable' }
  /** The connection went, or the time was up, with the question on its way. */
  | { readonly type: 'cut' }
  | { readonly type: 'unsupported' }

/** What errors of the package have, and those that they were caused by. */
interface PackageError {
  readonly code?: string
  readonly message?: string
  readonly response?: unknown
  readonly cause?: unknown
}

/** Reads an error of the package. `connection`: what was asked on, when there was one. */
export function failureOf(error: unknown, connection: BrokerConnection | undefined): ClientFailure {
  const trouble = connection === undefined ? undefined : troubles.get(connection)
  for (const at of [...causesOf(error), ...causesOf(trouble)]) {
    if (at.response !== undefined) return { type: 'answer', answer: at.response }
    if (at.code === 'PLT_KFK_AUTHENTICATION') return { type: 'authentication' }
    if (at.code === 'PLT_KFK_UNSUPPORTED_API' || at.code === 'PLT_KFK_UNSUPPORTED') return { type: 'unsupported' }
    if (typeof at.code === 'string' && isCertificateError(at.code)) return { type: 'authentication' }
  }
  return { type: connection === undefined ? 'unreachable' : 'cut' }
}

/** What a broker's certificate lacks, and what brokers say in alerts of our own: that they want one, or another one. */
function isCertificateError(code: string): boolean {
  if (code.startsWith('ERR_SSL_') && code.includes('_ALERT_')) return !code.endsWith('_INTERNAL_ERROR')
  return code.startsWith('ERR_TLS_') || code.startsWith('CERT_') || code.includes('SELF_SIGNED') || certificateErrors.includes(code)
}

const certificateErrors: readonly string[] = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]

/** Whether the broker closed the connection on a question. */
export function wasClosed(error: unknown): boolean {
  return causesOf(error).some(({ code, message }) => code === 'PLT_KFK_NETWORK' && message === 'Connection closed')
}

/** Whether the other side did not understand our TLS, or hung up on it. */
export function isRefusedHandshake(error: unknown): boolean {
  return causesOf(error).some(({ code, message }) => (
    code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER' || (code === 'PLT_KFK_USER' && message?.startsWith('TLS handshake') === true)
  ))
}

function causesOf(error: unknown): readonly PackageError[] {
  const causes: PackageError[] = []
  for (let at = error as PackageError | null | undefined; at !== undefined && at !== null; at = at.cause as PackageError | undefined) causes.push(at)
  return causes
}

/** Text for events and errors. */
export function addressText({ host, port }: BrokerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
