/*
 * What a test expects: the matchers over HTTP, what strict mode found, and contracts of topics.
 */
import { type Contract, type ContractCheck } from '../../strict/contract.ts'
import { strictRules, type StrictRule } from '../../strict/strict-mode.ts'
import { violations } from '../check.ts'
import { expectationForm, expectationInput, expectationOf } from '../expectations.ts'
import { schemaViolations } from '../json-schema.ts'
import { Refusal } from '../problem.ts'
import { created, done, json, route, type Route } from '../route.ts'
import { described, type Described, flag, integer, list, name, object, oneOf, type Schema, text, titled } from '../schema.ts'

const rules = Object.keys(strictRules) as StrictRule[]
const finding = object({ rule: oneOf(...rules), clientId: text, what: text, why: text })
const jsonSchema = titled('JsonSchema', { type: 'object' } as Schema<Schema>, 'A JSON Schema of draft 2020-12, without vocabularies of others.')

const contract = titled('Contract', object({
  id: text, topic: text,
  violations: list(object({ topic: text, partition: integer(0), index: integer(0), clientId: text, reason: text })),
}), 'What the records of a topic have to be, and what broke it.')

const params = { contract: name }
const unknown = { 404: 'There is no such contract.' }

/** The routes. */
export const expectationRoutes: readonly Route[] = [
  route('expectations', {
    method: 'POST', path: '/expect', name: 'expect', summary: 'Whether something is so, or becomes so in time', body: expectationInput,
    description: 'With `not` it looks once. A message shows the nearest records, who produced them, and the end of the journal.',
    answer: json(expectationForm, 'Whether it is so.'), run: ({ broker, body, signal }) => expectationOf(broker.kafka, body, signal),
  }),
  route('expectations', {
    method: 'GET', path: '/strict', name: 'getFindings', summary: 'What clients did that a cluster punishes later',
    answer: json(object({ enabled: flag, findings: list(finding) }), 'The findings; none unless it was started with --strict.'),
    run({ broker: { kafka: { strict } } }) {
      const findings = (strict?.findings ?? []).map(({ rule, clientId, what }) => ({ rule, clientId, what, why: strictRules[rule] }))
      return { enabled: strict !== undefined, findings }
    },
  }),
  route('expectations', {
    method: 'GET', path: '/contracts', name: 'listContracts', summary: 'The contracts that hold, and what broke them',
    answer: json(object({ contracts: list(contract) }), 'The contracts.'),
    run: ({ broker }) => ({ contracts: broker.contracts.entries.map(([id, found]) => contractForm(id, found)) }),
  }),
  route('expectations', {
    method: 'POST', path: '/contracts', name: 'addContract', summary: 'What records of a topic have to be from now on, whoever produces them',
    body: object({ topic: name }, {
      key: described(jsonSchema, 'Of keys, as text.'), value: described(jsonSchema, 'Of values, as JSON.'),
      tombstones: described(flag, 'Whether a value may be null. Default true.'),
      mode: described(oneOf('reject', 'report'), 'Whether the client is told INVALID_RECORD, or only the test fails. Default reject.'),
    }),
    answer: created(contract, 'It holds.'), location: ({ id }) => `/contracts/${id}`, refuses: { 409: 'There is no room for another contract.' },
    run({ broker, body: { topic, key, value, ...options } }) {
      broker.contracts.checkRoom()
      const checks = { ...(key !== undefined && { key: checkBy(key, 'key') }), ...(value !== undefined && { value: checkBy(value, 'value') }) }
      const added = broker.kafka.contract(topic, { ...options, ...checks })
      return contractForm(broker.contracts.add(added), added)
    },
  }),
  route('expectations', {
    method: 'GET', path: '/contracts/{contract}', name: 'getContract', summary: 'A contract, and what broke it', params,
    answer: json(contract, 'The contract.'), refuses: unknown,
    run: ({ broker, params: { contract: id } }) => contractForm(id, broker.contracts.get(id)),
  }),
  route('expectations', {
    method: 'DELETE', path: '/contracts/{contract}', name: 'endContract', summary: 'Records are no longer checked', params,
    answer: done('It is over.'),
    refuses: unknown, run: ({ broker, params: { contract: id } }) => broker.contracts.remove(id).end(),
  }),
]

function contractForm(id: string, { topic, violations: broken }: Contract): Described<typeof contract> {
  return { id, topic, violations: broken.map(({ partition, index, clientId, reason }) => ({ topic, partition, index, clientId, reason })) }
}

/** Of one check: somebody else's schema is checked while all others wait. Some half a second. */
const MOST_STEPS = 1_000_000

/** What a value has to be, by a schema of somebody else. */
function checkBy(schema: Schema, part: string): ContractCheck {
  const wrong = schemaViolations(schema).map(({ at, reason }) => ({ at: `/${part}${at}`, reason }))
  if (wrong.length > 0) throw new Refusal('INVALID_REQUEST', `${wrong[0]!.at} ${wrong[0]!.reason}`, { violations: wrong })
  return (value) => {
    const [first] = violations(schema, value, schema, MOST_STEPS)
    return first && `${first.at} ${first.reason}`.trim()
  }
}
