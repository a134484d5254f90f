/*
 * The description of the control API, made of its routes. Spec: OpenAPI 3.1.
 */
import { problem, refusals } from './problem.ts'
import { type Route, type Tag } from './route.ts'
import { type Fields, type Schema } from './schema.ts'

/** What each part of the API is about. */
const tags: Readonly<Record<Tag, string>> = {
  broker: 'The cluster: where clients find it, brokers that go down and come up, forks.',
  topics: 'Topics without a client: records put in and looked at, leaders moved.',
  groups: 'Consumer groups: waiting for what they are to become, without sleeping.',
  transactions: 'Transactions of transactional ids.',
  checkpoints: 'Back to where it was, and whether the test fails.',
  faults: 'What goes wrong because a test asked for it.',
  clock: 'The time of the broker.',
  journal: 'What was said between clients and the broker; sessions that are recorded and replayed.',
  expectations: 'What a test expects: matchers, strict mode, contracts.',
  meta: 'The control API itself.',
}

const description = [
  'A Kafka for tests, and its controls: `commitlog serve --test --control PORT`. Whatever waits gives up after some seconds, with what was missing.',
  `Errors are problem details (RFC 9457) with a stable \`code\`: one of the log, \`LOG_…\`, or ${Object.keys(refusals).join(', ')}.`,
].join(' ')

type Json = Readonly<Record<string, unknown>>

const NO_FORK = 'Behind `/forks/{fork}`: there is no such fork.'
/** Why a request may be refused whatever it asks for. */
const refusedAnyway = {
  BadRequest: 'It is asked wrongly: `detail` says how, and `errors` where in what was sent.',
  Foreign: 'It is asked by a page of another origin, or by another name than that of this machine.',
  NoFork: NO_FORK,
  TooLarge: 'The body is too large.',
  NoJson: 'The body is not JSON by its type.',
  Ending: 'It is ending.',
  Problem: 'It was not done: `code` says why.',
}
const usual: Readonly<Record<number, keyof typeof refusedAnyway>> = { 400: 'BadRequest', 403: 'Foreign', 404: 'NoFork', 503: 'Ending' }
const usualWithBody: typeof usual = { ...usual, 413: 'TooLarge', 415: 'NoJson' }

/** The description of routes, as JSON. `version` is that of the package. */
export function openApiOf(routes: readonly Route[], version: string): Json {
  const components = new Components()
  const problems = { 'application/problem+json': { schema: components.of(problem) } }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route, components, problems)
  return {
    openapi: '3.1.0',
    info: { title: 'commitlog test broker', version, description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [
      { url: '/', description: 'What was started.' },
      { url: '/forks/{fork}', description: 'A fork of it.', variables: { fork: { default: '1', description: 'Its id.' } } },
    ],
    tags: Object.entries(tags).map(([name, about]) => ({ name, description: about })),
    paths,
    components: {
      schemas: components.schemas,
      responses: Object.fromEntries(Object.entries(refusedAnyway).map(([name, why]) => [name, { description: why, content: problems }])),
    },
  }
}

function operationOf(route: Route, components: Components, problems: Json): Json {
  const { method, name, tag, summary, description: more, params = {}, query = {}, body, refuses = {} } = route
  const parameters = [...parametersOf(params, 'path', components), ...parametersOf(query, 'query', components)]
  const refused = Object.entries(refuses).map(([status, why]) => (
    [status, { description: status === '404' ? `${why} ${NO_FORK}` : why, content: problems }]
  ))
  const anyway = Object.entries(method === 'GET' ? usual : usualWithBody).map(([status, response]) => [status, reference(response)])
  return {
    operationId: name, tags: [tag], summary, ...(more !== undefined && { description: more }), ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: needsBody(body), content: { 'application/json': { schema: components.of(body) } } } }),
    responses: {
      [route.answer.status]: answerOf(route, components), ...Object.fromEntries([...anyway, ...refused]), default: reference('Problem'),
    },
  }
}

function reference(response: keyof typeof refusedAnyway): Json {
  return { $ref: `#/components/responses/${response}` }
}

/** Whether something has to be sent: not where all of it may be left out. */
export function needsBody({ type, required = [] }: Schema): boolean {
  return type !== 'object' || required.length > 0
}

/** Under which type the answer of a route comes; undefined where there is nothing in it. */
export function contentTypeOf({ answer: { contentType, schema } }: Pick<Route, 'answer'>): string | undefined {
  return contentType ?? (schema === undefined ? undefined : 'application/json')
}

function answerOf(route: Route, components: Components): Json {
  const { answer: { description: about, schema }, location } = route
  const contentType = contentTypeOf(route)?.replace(/;.*/, '')
  const content = contentType !== undefined && { [contentType]: { schema: schema === undefined ? plainSchema(contentType) : components.of(schema) } }
  return {
    description: about,
    ...(location !== undefined && { headers: { Location: { description: 'Where it is.', schema: { type: 'string' } } } }),
    ...(content !== false && { content }),
  }
}

function plainSchema(contentType: string): Json {
  return contentType.startsWith('text/') ? { type: 'string' } : { type: 'string', contentMediaType: contentType }
}

function parametersOf(fields: Fields, where: 'path' | 'query', components: Components): Json[] {
  return Object.entries(fields).map(([name, { description: about, ...schema }]) => ({
    name, in: where, required: where === 'path', ...(about !== undefined && { description: about }), schema: components.of(schema),
  }))
}

/** Schemas that have a name of their own stand once, and are referred to. */
class Components {
  readonly schemas: Record<string, Json> = {}

  /** A schema with references in the place of those that have a name. */
  of(schema: Schema): Json {
    const { title, ...rest } = schema
    if (title === undefined) return this.#inner(rest)
    if (!Object.hasOwn(this.schemas, title)) {
      this.schemas[title] = {}                      // before what is in it, which may refer to it
      this.schemas[title] = { title, ...this.#inner(rest) }
    }
    return { $ref: `#/components/schemas/${title}` }
  }

  #inner({ properties, items, anyOf, additionalProperties, ...rest }: Schema): Json {
    return {
      ...rest,
      ...(properties !== undefined && { properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, this.of(one)])) }),
      ...(additionalProperties !== undefined && {
        additionalProperties: typeof additionalProperties === 'boolean' ? additionalProperties : this.of(additionalProperties),
      }),
      ...(items !== undefined && { items: this.of(items) }),
      ...(anyOf !== undefined && { anyOf: anyOf.map((one) => this.of(one)) }),
    }
  }
}
