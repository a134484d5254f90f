/*
 * What goes wrong because a test asked for it: faults of requests, and scenarios by the clock of the broker.
 */
import { fault, faultForm, faultFrom, faultInput } from '../fault-forms.ts'
import { created, done, json, route, type Route } from '../route.ts'
import { described, flag, list, name, object } from '../schema.ts'

const params = { fault: name }
const unknown = { 404: 'There is no such fault.' }

/** The routes. */
export const faultRoutes: readonly Route[] = [
  route('faults', {
    method: 'GET', path: '/faults', name: 'listFaults', summary: 'The faults that were asked for',
    query: { missing: described(flag, 'True: only those that the test fails for, as things stand.') },
    answer: json(object({ faults: list(fault) }), 'The faults, in their order.'),
    run({ broker, query: { missing } }) {
      const all = broker.faults.entries.map(([id, found]) => faultForm(id, found))
      return { faults: missing === undefined ? all : all.filter((one) => one.missing === missing) }
    },
  }),
  route('faults', {
    method: 'POST', path: '/faults', name: 'addFault', summary: 'Asks for a fault', body: faultInput, answer: created(fault, 'It will happen.'),
    description: 'Faults happen to the first requests that fit, in the order in which they were asked for. One that never happens fails the test.',
    location: ({ id }) => `/faults/${id}`, refuses: { 409: 'There is no room for another fault.' },
    run({ broker, body }) {
      broker.faults.checkRoom()
      const added = broker.kafka.faults.add(faultFrom(body))
      return faultForm(broker.faults.add(added), added)
    },
  }),
  route('faults', {
    method: 'DELETE', path: '/faults', name: 'clearFaults', summary: 'Ends and forgets all faults, those that never happened too, and ends scenarios',
    answer: done('There are none.'), run: ({ broker }) => broker.clearFaults(),
  }),
  route('faults', {
    method: 'GET', path: '/faults/{fault}', name: 'getFault', summary: 'A fault, and how often it happened', params,
    answer: json(fault, 'The fault.'),
    refuses: unknown, run: ({ broker, params: { fault: id } }) => faultForm(id, broker.faults.get(id)),
  }),
  route('faults', {
    method: 'POST', path: '/faults/{fault}/cancel', name: 'cancelFault', params, answer: json(fault, 'The fault.'), refuses: unknown,
    summary: 'It happens no more, and requests that it holds go on; if it never happened, the test still fails for it',
    run({ broker, params: { fault: id } }) {
      const found = broker.faults.get(id)
      found.cancel()
      return faultForm(id, found)
    },
  }),
  route('faults', {
    method: 'POST', path: '/scenarios', name: 'runScenario',
    summary: 'Faults of the cluster by its clock: `t+0 down 1; t+5s up 1; t+6s move orders-0 to 2`',
    description: 'Answers when the last step is done; time that stands is moved for it. Steps are `down N`, `up N`, `move TOPIC-PARTITION to N`, '
      + '`rehash coordinators`. With `background` it answers at once; a step that fails fails the test, and '
      + 'so does a scenario of which no step is ever done. One that is waited for ends when the client leaves.',
    body: object({ scenario: name }, { background: described(flag, 'Default false.') }), answer: done('It is done, or begun.'),
    refuses: { 404: 'There is no such topic.', 409: 'It takes more than a year of the broker\'s time.' },
    async run({ broker: { scenarios }, body: { scenario, background = false }, signal }) {
      if (background) scenarios.runUnattended(scenario)
      else await scenarios.run(scenario, signal)
    },
  }),
]
