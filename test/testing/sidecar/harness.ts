/*
 * What tests of the control API begin with: a sidecar, and a client of it that holds every request and answer against the description that is served.
 * It reads only that description, and nothing of the routes.
 */
import { request as httpRequest } from 'node:http'
import { expect, onTestFinished } from 'vitest'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { violations } from '../../../src/testing/sidecar/check.ts'
import { type Schema } from '../../../src/testing/sidecar/schema.ts'
import { Sidecar } from '../../../src/testing/sidecar/sidecar.ts'

/** Whatever JSON says: a test knows what it looks for. */
export type Json = ReturnType<typeof JSON.parse>

/** What was answered. */
export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  readonly bytes: Buffer
  /** Of an answer in JSON. */
  readonly body: Json
}

/** An operation of the description. */
export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: Schema }[]
  readonly requestBody?: { readonly required: boolean; readonly content: { readonly 'application/json': { readonly schema: Schema } } }
  readonly responses: Readonly<Record<string, Response>>
}

/** An answer of the description, or where it stands. */
export interface Response {
  readonly $ref?: string
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
  readonly headers?: object
}

/** The description, as far as it is looked at. */
export interface Description {
  readonly openapi: string
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly responses: Readonly<Record<string, Response>> }
}

/** A problem that was answered. */
export interface Refused {
  readonly status: number
  readonly code: string
  readonly detail: string
}

/** Operations that were done for somebody, by any test of the file. */
export const answered = new Set<string>()

/** A sidecar under test. */
export class Control {
  readonly url: string
  readonly kafka: TestBroker
  readonly sidecar: Sidecar
  readonly description: Description

  constructor(sidecar: Sidecar, kafka: TestBroker, description: Description) {
    this.sidecar = sidecar
    this.url = sidecar.url
    this.kafka = kafka
    this.description = description
  }

  /** Asks, holds what was asked and answered against the description, and gives the answer. */
  async ask(method: string, target: string, body?: unknown): Promise<Answered> {
    const sent = body === undefined ? {} : { content: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    const answer = await ask(`${this.url}${target}`, { method, ...sent })
    this.#check(method, new URL(target, this.url), body, answer)
    return answer
  }

  /** As `ask`, for what is to be done: the body of the answer. */
  async done(method: string, target: string, body?: unknown): Promise<Json> {
    const answer = await this.ask(method, target, body)
    expect(answer.status, answer.text).toBeLessThan(300)
    return answer.body
  }

  /** As `ask`, for what is to be refused: its status and code, and what is said of it. */
  async refused(method: string, target: string, body?: unknown): Promise<Refused> {
    const { status, body: { code, detail } } = await this.ask(method, target, body)
    expect(status).toBeGreaterThanOrEqual(400)
    return { status, code, detail }
  }

  /** The operation that a path is of, by the description. */
  operation(method: string, path: string): Operation | undefined {
    const found = Object.entries(this.description.paths).filter(([template]) => {
      return new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path)
    })
    return found.map(([, operations]) => operations[method.toLowerCase()]).find((operation) => operation !== undefined)
  }

  /** What is wrong with a value by a schema of the description. */
  wrong(schema: Schema, value: unknown): unknown {
    return violations(schema, value, this.description as unknown as Schema)
  }

  #check(method: string, { pathname, searchParams }: URL, body: unknown, answer: Answered): void {
    const operation = this.operation(method, pathname.replace(/^\/forks\/\d+(?=\/)/, '')) ?? this.operation(method, pathname)
    if (operation === undefined) return expect([400, 404, 405]).toContain(answer.status)
    const done = answer.status < 300
    if (done) {
      answered.add(operation.operationId)
      for (const [name, text] of searchParams) {
        const parameter = operation.parameters?.find((one) => one.in === 'query' && one.name === name)
        const value = [parameter!.schema.type].flat().includes('string') ? text : JSON.parse(text) as unknown
        expect(this.wrong(parameter!.schema, value)).toEqual([])
      }
      if (body !== undefined && operation.requestBody !== undefined) {
        expect(this.wrong(operation.requestBody.content['application/json'].schema, body)).toEqual([])
      }
    }
    const told = this.#response(operation.responses[String(answer.status)])
    expect(told, `${operation.operationId} does not tell of ${answer.status}: ${answer.text}`).toBeDefined()
    const [type, content] = Object.entries(told!.content ?? {})[0] ?? []
    expect(answer.headers['content-type']?.replace(/;.*/, '')).toBe(type)
    if (content === undefined) expect(answer.text).toBe('')
    else if (type!.endsWith('json')) expect(this.wrong(content.schema, answer.body)).toEqual([])
    if (done && told!.headers !== undefined) expect(answer.headers['location']).toMatch(/^\/./)
  }

  #response(found: Response | undefined): Response | undefined {
    return found?.$ref === undefined ? found : this.description.components.responses[found.$ref.replace('#/components/responses/', '')]
  }
}

/** What is said when something is refused. */
export function told(status: number, text: string, code?: string): object {
  return { status, detail: expect.stringContaining(text) as string, ...(code !== undefined && { code }) }
}

/** A sidecar over a new broker; both are closed with the test. */
export async function control(options: TestBrokerOptions = {}): Promise<Control> {
  const kafka = await startTestBroker({ timeout: 4000, ...options })
  const sidecar = await Sidecar.start(kafka, { port: 0, version: '1.2.3' })
  onTestFinished(async () => void await sidecar.close())
  const { body } = await ask(`${sidecar.url}/openapi.json`, {})
  return new Control(sidecar, kafka, body as Description)
}

/** How something is asked. */
export interface AskOptions {
  readonly method?: string
  readonly content?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Asks by HTTP, as any client would. */
export function ask(url: string, { method = 'GET', content, headers = {}, signal }: AskOptions): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = content === undefined ? {} : { 'content-length': String(Buffer.byteLength(content)) }
    const options = { method, headers: { ...length, ...headers }, agent: false as const, ...(signal !== undefined && { signal }) }
    const request = httpRequest(url, options, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece)).on('end', () => {
        const bytes = Buffer.concat(pieces)
        const text = bytes.toString()
        const isJson = /^application\/(?:problem\+)?json/.test(response.headers['content-type'] ?? '') && text !== ''
        resolve({
          status: response.statusCode!, headers: response.headers as Answered['headers'], text, bytes,
          body: isJson ? JSON.parse(text) as unknown : undefined,
        })
      })
    })
    request.on('error', reject)
    request.end(content)
  })
}
