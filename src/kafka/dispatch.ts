/*
 * From the bytes of a request to the bytes of its answer: header, API, version, handler, encoding. The one place that every request goes
 * through. What cannot be understood is thrown, and ends the connection, as on a real broker; what a handler throws becomes an answer.
 */
import { isLogError, LogError } from '../base/errors.ts'
import { kafkaErrors } from '../format/kafka-errors.ts'
import { type AnyApi, type Handled, Later, NO_ANSWER, type RequestContext } from './api.ts'
import { API_VERSIONS_KEY, apiVersions, unsupportedVersionAnswer } from './apis/18-api-versions.ts'
import { type Broker } from './broker.ts'
import { type Cluster } from './cluster.ts'
import { errorCodeOf } from './error-codes.ts'
import { type AnswerBytes, type Exchange } from './exchange.ts'
import { readRequestStart, requestHeader, type RequestStart, writeResponseHeader } from './headers.ts'
import { type Peer } from './peer.ts'
import { RequestReader } from './request-reader.ts'
import { ResponseWriter } from './response-writer.ts'
import { admission, rawSession } from './security/admission.ts'

/** Where a request came from. */
export interface Origin {
  readonly cluster: Cluster
  readonly broker: Broker
  readonly connection: Peer
  readonly signal: AbortSignal
  /** See `RequestContext`. */
  readonly whenSent: (done: () => void) => void
}

/** The API that a frame is for; undefined for one that is not served, or too short to say. Its first two bytes are enough. */
export function apiOf(cluster: Cluster, frame: Uint8Array): AnyApi | undefined {
  return frame.length < 2 ? undefined : cluster.api((frame[0]! << 8) | frame[1]!)
}

/** The answer to a request, as far as it is known when the request has begun. */
export type Dispatched = AnswerBytes | Promise<AnswerBytes> | Later<AnswerBytes>

/**
 * Answers one request.
 *
 * @param api  what {@link apiOf} says of it
 * @throws LogError `LOG_PROTOCOL_ERROR` for bytes that are no request that this broker serves
 */
export function dispatch(frame: Uint8Array, api: AnyApi | undefined, origin: Origin): Dispatched {
  const { cluster, connection } = origin
  const raw = connection.authenticated ? undefined : rawSession(connection, cluster)
  if (raw !== undefined) return raw.rawToken(frame)
  const reader = new RequestReader(frame)
  const start = readRequestStart(reader)
  if (api === undefined) return reader.fail(`there is no API with the number ${start.apiKey}`)
  if (!api.request.supports(start.version)) return unsupported(api, start, reader, origin, frame)
  const admitted = admission(api, connection, cluster)
  if (admitted === 'close') return undefined
  const flexible = api.request.isFlexible(start.version)
  const { clientId } = requestHeader.at(flexible ? 2 : 1).decode(reader)
  const request = api.request.at(start.version).decode(reader)
  const context: RequestContext = { ...origin, version: start.version, clientId: clientId ?? '' }
  const exchange: Exchange = { api, correlationId: start.correlationId, frame, request, context, response: undefined }
  if (admitted === 'illegal') return outOfPlace(exchange)
  return cluster.interceptor === undefined ? answer(exchange) : intercepted(exchange)
}

/** Nothing but tokens is served in the middle of an authentication. */
function outOfPlace(exchange: Exchange): AnswerBytes {
  const { api, request, context } = exchange
  const reason = `${api.name} came in the middle of an authentication`
  context.cluster.tell({ type: 'authentication-failed', connection: context.connection.id, mechanism: '', reason })
  context.connection.leave()
  return encoded(exchange, api.refuse(request, kafkaErrors.ILLEGAL_SASL_STATE, context))
}

/** A client that asks for versions in one that is not served is told which are, in the form that every client reads. */
function unsupported(
  api: AnyApi, { version, correlationId }: RequestStart, reader: RequestReader, { cluster, broker, connection }: Origin, frame: Uint8Array,
): AnswerBytes {
  const bytes = api.key === API_VERSIONS_KEY ? versionsAnswer(api, correlationId) : undefined
  if (cluster.interceptor?.unserved !== undefined) {
    const { clientId } = requestHeader.at(1).decode(reader)              // every header begins as the first one does
    cluster.interceptor.unserved({ api, version, correlationId, frame, broker, connection, clientId: clientId ?? '' }, bytes)
  }
  return bytes ?? reader.fail(`${api.name} has no version ${version}`)
}

function versionsAnswer(api: AnyApi, correlationId: number): AnswerBytes {
  const writer = new ResponseWriter()
  writeResponseHeader(writer, api.key, false, correlationId)
  apiVersions.response.at(0).encode(unsupportedVersionAnswer(api), writer)
  return writer.frame()
}

function answer(exchange: Exchange): Dispatched {
  const { api, request, context } = exchange
  const response = given(exchange, () => api.handle(request, context))
  return response instanceof Later ? new Later(() => inBytes(exchange, given(exchange, response.settle))) : inBytes(exchange, response)
}

type Response = NonNullable<Exchange['response']>

/** What a handler gives, or what is said of its error. */
function given<T extends Handled<Response>>(exchange: Exchange, handle: () => T): T | Response | Promise<Response> {
  try {
    const response = handle()
    return response instanceof Promise ? response.catch((error: unknown) => refused(exchange, error)) : response
  } catch (error) {
    return refused(exchange, error)
  }
}

function inBytes(exchange: Exchange, response: Response | Promise<Response>): AnswerBytes | Promise<AnswerBytes> {
  if (response instanceof Promise) return response.then((value) => encoded(exchange, value))
  try {
    return encoded(exchange, response)
  } catch (error) {
    return encoded(exchange, refused(exchange, error))
  }
}

async function handled(exchange: Exchange): Promise<Response> {
  const { api, request, context } = exchange
  try {
    const response: Handled<Response> = await api.handle(request, context)
    return await (response instanceof Later ? response.settle() : response)
  } catch (error) {
    return refused(exchange, error)
  }
}

async function intercepted(exchange: Exchange): Promise<AnswerBytes> {
  const { interceptor } = exchange.context.cluster
  await interceptor?.before?.(exchange)
  exchange.response ??= await handled(exchange)
  await interceptor?.after?.(exchange)
  const bytes = encoded(exchange, exchange.response)
  return interceptor?.encoded === undefined ? bytes : interceptor.encoded(exchange, bytes)
}

/** What a handler did not expect: the client gets an error for all that it asked. */
function refused({ api, request, context }: Exchange, error: unknown): Response {
  const code = errorCodeOf(error)
  if (code === kafkaErrors.UNKNOWN_SERVER_ERROR || !isLogError(error)) {
    context.cluster.tell({ type: 'request-failed', connection: context.connection.id, api: api.name, cause: error })
  }
  return api.refuse(request, code, context)
}

function encoded({ api, context, correlationId }: Exchange, response: Response): AnswerBytes {
  if (response === NO_ANSWER) return undefined
  const { version } = context
  const writer = new ResponseWriter()
  writeResponseHeader(writer, api.key, api.response.isFlexible(version), correlationId)
  try {
    api.response.at(version).encode(response, writer)
  } catch (error) {
    throw new LogError('LOG_PROTOCOL_ERROR', `the answer to ${api.name} ${version} cannot be encoded`, { api: api.name, version }, error)
  }
  return writer.frame()
}
