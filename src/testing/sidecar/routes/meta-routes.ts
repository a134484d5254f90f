/*
 * The control API itself: whether it is there, and what it is.
 */
import { json, route, type Route } from '../route.ts'
import { anything, byName, object, type Schema, text } from '../schema.ts'

/** The routes. `describe` gives the description of all routes, these too. */
export function metaRoutes(describe: () => Readonly<Record<string, unknown>>): readonly Route[] {
  return [
    route('meta', {
      method: 'GET', path: '/health', name: 'getHealth', summary: 'Answered as soon as clients can connect',
      answer: json(object({ status: { type: 'string', const: 'ok' } as Schema<'ok'>, bootstrap: text }), 'It is there.'),
      run: ({ broker }) => ({ status: 'ok' as const, bootstrap: broker.kafka.bootstrap }),
    }),
    route('meta', {
      method: 'GET', path: '/openapi.json', name: 'getDescription', summary: 'This description, in OpenAPI 3.1',
      answer: json(byName(anything), 'The description.'), run: () => describe(),
    }),
  ]
}
