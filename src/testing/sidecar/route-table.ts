/*
 * All routes, and which of them a request is for.
 */
import { closest } from '../../base/options.ts'
import { openApiOf } from './openapi.ts'
import { Refusal } from './problem.ts'
import { type Method, type Route } from './route.ts'
import { brokerRoutes } from './routes/broker-routes.ts'
import { checkpointRoutes } from './routes/checkpoint-routes.ts'
import { clockRoutes } from './routes/clock-routes.ts'
import { expectationRoutes } from './routes/expectation-routes.ts'
import { faultRoutes } from './routes/fault-routes.ts'
import { groupRoutes } from './routes/group-routes.ts'
import { importRoutes } from './routes/import-routes.ts'
import { journalRoutes } from './routes/journal-routes.ts'
import { metaRoutes } from './routes/meta-routes.ts'
import { recordingRoutes } from './routes/recording-routes.ts'
import { topicRoutes } from './routes/topic-routes.ts'

/** A route with what stands in the place of its parameters. */
export interface Found {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** The routes of the control API. */
export class RouteTable {
  readonly routes: readonly Route[]
  /** The description, in OpenAPI. */
  readonly description: Readonly<Record<string, unknown>>
  readonly #bySegments: readonly { readonly route: Route; readonly segments: readonly string[] }[]

  /** @param version  of the package, for the description */
  constructor(version: string) {
    this.routes = [
      ...brokerRoutes, ...topicRoutes, ...importRoutes, ...groupRoutes, ...checkpointRoutes, ...faultRoutes, ...clockRoutes, ...journalRoutes,
      ...recordingRoutes, ...expectationRoutes, ...metaRoutes(() => this.description),
    ]
    this.description = openApiOf(this.routes, version)
    this.#bySegments = this.routes.map((route) => ({ route, segments: segmentsOf(route.path) }))
  }

  /** The route of a request; undefined when there is none of this path. Throws a Refusal when there is, but not by this method. */
  find(method: string, path: string): Found | undefined {
    const given = segmentsOf(path)
    const fitting = this.#bySegments.flatMap(({ route, segments }) => {
      const params = paramsOf(segments, given)
      return params === undefined ? [] : [{ route, params }]
    })
    if (fitting.length === 0) return undefined
    const wanted: string = method === 'HEAD' ? 'GET' : method
    const found = fitting.find(({ route }) => route.method === wanted)
    if (found !== undefined) return { route: found.route, params: decoded(found.params) }
    const allowed = fitting.flatMap(({ route }): (Method | 'HEAD')[] => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]))
    throw new Refusal('METHOD_NOT_ALLOWED', `${path} is asked by ${allowed.join(', ')}, not by ${method}`, { headers: { allow: allowed.join(', ') } })
  }

  /** Throws a Refusal for a path that there is not, with the one that was probably meant. */
  refuse(path: string): never {
    const meant = closest(path, this.routes.map((route) => route.path))
    throw new Refusal('UNKNOWN_ROUTE', `there is no ${path}${meant === undefined ? ': GET /openapi.json tells all' : `: did you mean ${meant}?`}`)
  }
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').slice(1)
}

function paramsOf(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    const own = given[index]!
    if (segment.startsWith('{')) params[segment.slice(1, -1)] = own
    else if (segment !== own) return undefined
  }
  return params
}

function decoded(params: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value)]))
  } catch {
    throw new Refusal('INVALID_REQUEST', 'the path has % where no escape is')
  }
}
