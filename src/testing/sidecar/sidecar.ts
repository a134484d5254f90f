/*
 * The control API of a test broker over HTTP, on the loopback address: takes requests, checks them by the schemas of their route, and answers with
 * JSON or a problem. What can be asked is in routes/.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { realClock } from '../../base/clock.ts'
import { LogError } from '../../base/errors.ts'
import { type TestBroker } from '../broker/test-broker.ts'
import { Brokers } from './brokers.ts'
import { unknownField, type Violation, violations } from './check.ts'
import { type ControlledBroker } from './controlled-broker.ts'
import { contentTypeOf, needsBody } from './openapi.ts'
import { type Failure, problemOf, Refusal } from './problem.ts'
import { jsonBody } from './request-body.ts'
import { type Route } from './route.ts'
import { RouteTable } from './route-table.ts'
import { type Fields } from './schema.ts'

/** How a sidecar is started. */
export interface SidecarOptions {
  /** TCP port of 127.0.0.1; 0 for one that is free. */
  readonly port: number
  /** Of the package, for the description. */
  readonly version: string
}

const HOST = '127.0.0.1'
const MOST_CONNECTIONS = 256
/** A whole request has to be there by then; what it asks for may take longer. */
const REQUEST_MS = 30_000
/** Clients keep connections for the next test; one that is closed as they write fails it. */
const IDLE_MS = 600_000
/** Those who do not take their answers by then are left. */
const FAREWELL_MS = 1000
const MOST_TARGET = 8192

/** A control API that is served. */
export class Sidecar {
  /** Where it is: `http://127.0.0.1:9093`. */
  readonly url: string
  readonly #server: Server
  readonly #brokers: Brokers
  readonly #table: RouteTable
  readonly #underway = new Set<AbortController>()

  private constructor(server: Server, brokers: Brokers, table: RouteTable) {
    this.#server = server
    this.#brokers = brokers
    this.#table = table
    this.url = brokers.url
  }

  /**
   * Serves the control API of a broker. The sidecar closes the broker, and forks of it, when it is closed.
   *
   * @throws LogError `LOG_PORT_IN_USE`
   */
  static async start(kafka: TestBroker, { port, version }: SidecarOptions): Promise<Sidecar> {
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS })
    server.maxConnections = MOST_CONNECTIONS
    await listening(server, port)
    const brokers = new Brokers(kafka)
    brokers.url = `http://${HOST}:${(server.address() as { readonly port: number }).port}`
    const sidecar = new Sidecar(server, brokers, new RouteTable(version))
    server.on('request', (request, response) => void sidecar.#serve(request, response))
    return sidecar
  }

  /** Requests that are under way. */
  get underway(): number {
    return this.#underway.size
  }

  /** Ends it: who waits is told so, and all brokers are closed. Gives what the tests fail for. */
  async close(): Promise<readonly Failure[]> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    for (const controller of this.#underway) controller.abort(new LogError('LOG_CLOSED', 'the test broker is being closed'))
    const failures = await this.#brokers.close()
    this.#server.closeIdleConnections()
    const farewell = realClock.setTimer(() => this.#server.closeAllConnections(), FAREWELL_MS)
    await closed
    farewell.cancel()
    return failures
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const controller = new AbortController()
    this.#underway.add(controller)
    response.on('close', () => controller.abort(new Error('whoever asked has gone')))
    try {
      await this.#handle(request, response, controller.signal)
    } catch (error) {
      const { status, headers, body } = problemOf(error)
      send(response, { status, headers, contentType: 'application/problem+json', content: JSON.stringify(body) })
    } finally {
      this.#underway.delete(controller)
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    checkOrigin(request)
    const target = targetOf(request)
    const { broker, path } = this.#brokerAt(request.method!, target.pathname)
    const { route, params: given } = this.#table.find(request.method!, path) ?? this.#table.refuse(target.pathname)
    const params = valuesOf(given, route.params ?? {}, 'path')
    const query = valuesOf(once(target.searchParams), route.query ?? {}, 'query')
    const body = bodyFor(route, route.method === 'GET' ? none(request) : await jsonBody(request))
    const result = await route.run({ broker, brokers: this.#brokers, params, query, body, signal })
    const location = route.location?.(result)
    const contentType = contentTypeOf(route)
    const base = location?.startsWith('/forks') === true ? '' : new URL(this.#brokers.urlOf(broker)).pathname.replace(/\/$/, '')
    const content = route.answer.schema === undefined ? result as string | Uint8Array : JSON.stringify(result)
    send(response, {
      status: route.answer.status, headers: location === undefined ? {} : { location: `${base}${location}` },
      ...(contentType !== undefined && { contentType, content }),
    })
  }

  /** A fork answers what stands behind its own path; what is asked of all of them is asked of the first one. */
  #brokerAt(method: string, path: string): { readonly broker: ControlledBroker; readonly path: string } {
    const { first, forks } = this.#brokers
    const [, id, rest = ''] = /^\/forks\/([^/]+)(\/.*)?$/.exec(path) ?? []
    if (id === undefined || (rest === '' && method === 'DELETE')) return { broker: first, path }
    return { broker: forks.get(id), path: rest === '' ? '/' : rest }
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE'
      ? new LogError('LOG_PORT_IN_USE', `port ${port} of ${HOST} is in use`, { port, host: HOST }, error) : error))
    server.listen(port, HOST, resolve)
  })
}

/** Pages in a browser of this machine reach loopback too, by their own names for it, or from other ports of it: they are not meant. */
function checkOrigin({ headers: { host = '', origin }, socket: { localPort } }: IncomingMessage): void {
  const local = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/
  const isOwn = origin === undefined || [host, `127.0.0.1:${localPort}`, `localhost:${localPort}`].some((own) => origin === `http://${own}`)
  if (local.test(host) && isOwn) return
  const foreign = local.test(host) ? origin : host
  throw new Refusal('FOREIGN_ORIGIN', `the control API answers this machine, not ${JSON.stringify(foreign)}`)
}

function targetOf({ url = '' }: IncomingMessage): URL {
  if (url.length <= MOST_TARGET && URL.canParse(url, 'http://localhost')) return new URL(url, 'http://localhost')
  throw new Refusal('INVALID_REQUEST', `the address is none, or has more than ${MOST_TARGET} letters`)
}

/** Parameters of the query, each of which is given once. */
function once(search: URLSearchParams): Record<string, string> {
  for (const name of new Set(search.keys())) {
    if (search.getAll(name).length > 1) throw new Refusal('INVALID_REQUEST', `"${name}" is in the query more than once`)
  }
  return Object.fromEntries(search)
}

/** Parameters as what their schemas say they are. */
function valuesOf(given: Readonly<Record<string, string>>, fields: Fields, where: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([name, text]) => {
    const schema = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (schema === undefined) throw new Refusal('INVALID_REQUEST', `the ${where} ${unknownField(name, Object.keys(fields), 'parameter')}`)
    const value = schema.type === 'string' ? text : scalarOf(text)
    refuseWrong(violations(schema, value), (reason) => `"${name}" of the ${where} ${reason}`)
    return [name, value]
  }))
}

function scalarOf(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,16}$/.test(text) ? Number(text) : text
}

/** What a GET has behind its head is not even read. */
function none({ headers, url = '' }: IncomingMessage): undefined {
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return undefined
  throw new Refusal('INVALID_REQUEST', `GET ${url} takes no body`, { headers: { connection: 'close' } })
}

function bodyFor({ body: schema, method, path }: Route, given: unknown): unknown {
  if (schema === undefined) {
    // An empty object says as much as nothing, and some clients cannot say nothing.
    if (given === undefined || (typeof given === 'object' && given !== null && Object.keys(given).length === 0)) return undefined
    throw new Refusal('INVALID_REQUEST', `${method} ${path} takes no body`)
  }
  if (given === undefined && needsBody(schema)) throw new Refusal('INVALID_REQUEST', `${method} ${path} lacks its body, which is JSON`)
  const value = given === undefined ? {} : given
  refuseWrong(violations(schema, value), (reason) => `the body ${reason}`)
  return value
}

function refuseWrong(wrong: readonly Violation[], words: (reason: string) => string): void {
  const [first] = wrong
  if (first === undefined) return
  const message = first.at === '' ? words(first.reason) : `${first.at} ${first.reason}`
  throw new Refusal('INVALID_REQUEST', message, { violations: wrong })
}

interface Sent {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly contentType?: string
  readonly content?: string | Uint8Array
}

function send(response: ServerResponse, { status, headers, contentType, content }: Sent): void {
  if (response.destroyed || response.headersSent) return
  const bytes = content === undefined ? undefined : Buffer.from(content as string)
  response.writeHead(status, {
    ...headers, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff',
    ...(contentType !== undefined && { 'content-type': contentType, 'content-length': bytes!.length }),
  })
  response.end(response.req.method === 'HEAD' ? undefined : bytes)
}
