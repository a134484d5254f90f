/*
 * Consumer groups, and transactions: what they are, what they are to become, and who coordinates them.
 */
import { type TestGroup } from '../../broker/group-hands.ts'
import { type CoordinatorFaults } from '../../faults/cluster-faults.ts'
import { durationMs } from '../../clock/durations.ts'
import { type ControlledBroker } from '../controlled-broker.ts'
import { done, json, route, type Route, type RouteParts } from '../route.ts'
import { described, type Described, flag, integer, list, name, object, orNull, text, titled, word, either } from '../schema.ts'
import { timeout, waitFor } from '../waits.ts'

const place = titled('Place', object({ topic: text, partition: integer(0) }))

const group = titled('Group', object({
  state: text, type: text, generation: described(integer(-1), 'Rises with every rebalance.'), assignor: text,
  members: list(object({ memberId: text, instanceId: orNull(text), clientId: text, topics: list(text), assigned: list(place) })),
}), 'A consumer group; without members and `Dead` where there is none.')

const transaction = titled('Transaction', object({
  state: described(text, 'Kafka\'s name; `None` for an id that nobody has used.'), producerId: described(text, 'A whole number of 64 bits.'),
  producerEpoch: integer(-1), partitions: list(place),
}))

const coordinator = object({ broker: described(integer(0), 'Node id.') })
const params = { group: name }
const inVain = { 409: 'It did not come in time: what was missing is told.' }

/** The routes. */
export const groupRoutes: readonly Route[] = [
  route('groups', {
    method: 'GET', path: '/groups', name: 'listGroups', summary: 'The groups that are there',
    answer: json(object({ groups: list(object({ name: text, state: text, type: text })) }), 'The groups.'),
    async run({ broker }) {
      const groups = (await broker.kafka.log.core.groups()).list()
      return { groups: groups.map(({ groupId, state, type }) => ({ name: groupId, state, type })) }
    },
  }),
  route('groups', {
    method: 'GET', path: '/groups/{group}', name: 'getGroup', summary: 'A group with its members, and what each has', params,
    answer: json(group, 'The group.'), run: ({ broker, params: { group: id } }) => broker.kafka.group(id).describe(),
  }),
  route('groups', {
    method: 'POST', path: '/groups/{group}/ready', name: 'waitForReady', params, refuses: inVain,
    summary: 'Waits until the members have their partitions and fetch them: what is sent from then on reaches them',
    body: object({}, {
      members: described(integer(0), 'So many. Default: at least one.'),
      assigned: described(either(word('all'), list(name)), 'All partitions of what they subscribe to, or of these topics. Default all.'),
      fetching: described(flag, 'Whether they have to fetch. Default true.'), ...timeout,
    }),
    answer: json(group, 'It is ready.'),
    run: ({ broker, params: { group: id }, body, signal }) => broker.kafka.group(id).ready({ ...body, ...waitFor(body.timeout, signal) }),
  }),
  route('groups', {
    method: 'POST', path: '/groups/{group}/stable', name: 'waitForStable', summary: 'Waits until no rebalance is under way', params, refuses: inVain,
    body: object({}, timeout), answer: json(group, 'It is stable.'),
    run: ({ broker, params: { group: id }, body, signal }) => broker.kafka.group(id).stable(waitFor(body.timeout, signal)),
  }),
  route('groups', {
    method: 'POST', path: '/groups/{group}/caught-up', name: 'waitForCaughtUp', summary: 'Waits until all that there is is committed', params,
    body: object({}, { topics: described(list(name), 'Default: those that it reads.'), ...timeout }), answer: json(group, 'It has caught up.'),
    refuses: inVain,
    run: ({ broker, params: { group: id }, body, signal }) => broker.kafka.group(id).caughtUp({ ...body, ...waitFor(body.timeout, signal) }),
  }),
  route('groups', {
    method: 'POST', path: '/groups/{group}/rebalanced', name: 'waitForRebalanced', params, refuses: inVain,
    summary: 'Waits until a rebalance is over, or several',
    body: object({}, {
      since: described(integer(-1), 'The generation that they are counted from, as getGroup tells it. Default: the one when this is asked.'),
      times: described(integer(1), 'How many. Default 1.'), ...timeout,
    }),
    answer: json(group, 'It has rebalanced.'),
    run: ({ broker, params: { group: id }, body, signal }) => (
      body.since === undefined
        ? broker.kafka.group(id).rebalanced({ ...timesOf(body), ...waitFor(body.timeout, signal) })
        : rebalancedSince(broker, id, { ...body, since: body.since }, signal)
    ),
  }),
  route('groups', {
    method: 'POST', path: '/groups/{group}/evict', name: 'evictMembers', params, answer: done('They are out.'),
    summary: 'Takes members out, as if their sessions had ended', body: object({}, { members: described(list(name), 'Their ids. Default: all.') }),
    run: ({ broker, params: { group: id }, body: { members = [] } }) => broker.kafka.group(id).evict(...members),
  }),
  ...coordinatorRoutes('/groups/{group}/coordinator', 'Group', 'a group', params, ({ kafka }, { group: id }) => kafka.faults.group(id)),
  route('groups', {
    method: 'POST', path: '/coordinators/rehash', name: 'rehashCoordinators', summary: 'All groups get other coordinators',
    answer: done('They have.'),
    run: ({ broker }) => broker.kafka.faults.rehashCoordinators(),
  }),
  route('transactions', {
    method: 'GET', path: '/transactions/{transaction}', name: 'getTransaction', summary: 'The transactions of a transactional id',
    params: { transaction: name }, answer: json(transaction, 'What is so of it.'),
    async run({ broker, params: { transaction: id } }) {
      const found = await broker.kafka.transaction(id).describe()
      return { ...found, producerId: String(found.producerId) }
    },
  }),
  route('transactions', {
    method: 'POST', path: '/transactions/{transaction}/time-out', name: 'timeOutTransaction', params: { transaction: name },
    summary: 'Aborts the transaction that is open, and fences its producer', answer: json(object({ timedOut: flag }), 'False when none is open.'),
    run: async ({ broker, params: { transaction: id } }) => ({ timedOut: await broker.kafka.transaction(id).timeOut() }),
  }),
  ...coordinatorRoutes('/transactions/{transaction}/coordinator', 'Transaction', 'the transactions of an id', { transaction: name }, (
    { kafka }, { transaction: id },
  ) => kafka.faults.transactions(id)),
]

/** Who coordinates, and who is to. */
function coordinatorRoutes<P extends Record<string, typeof name>>(
  path: string, what: string, words: string, its: P, find: (broker: ControlledBroker, params: Record<keyof P, string>) => CoordinatorFaults,
): readonly Route[] {
  const tag = what === 'Group' ? 'groups' : 'transactions'
  const shared = { path, params: its } as const
  const get: RouteParts<P, Record<never, never>, undefined, Described<typeof coordinator>> = {
    ...shared, method: 'GET', name: `get${what}Coordinator`, summary: `The broker that coordinates ${words}`,
    answer: json(coordinator, 'The coordinator.'),
    run: ({ broker, params: asked }) => ({ broker: find(broker, asked as Record<keyof P, string>).coordinator }),
  }
  const move: RouteParts<P, Record<never, never>, Described<typeof coordinator>, Described<typeof coordinator>> = {
    ...shared, method: 'PUT', name: `move${what}Coordinator`, summary: `Another broker coordinates ${words}`, body: coordinator,
    answer: json(coordinator, 'The coordinator.'),
    run({ broker, params: asked, body: { broker: nodeId } }) {
      const hands = find(broker, asked as Record<keyof P, string>)
      hands.moveCoordinator(nodeId)
      return { broker: hands.coordinator }
    },
  }
  return [route(tag, get), route(tag, move)]
}

interface RebalancesAsked {
  readonly since: number
  readonly times?: number
  readonly timeout?: number | string
}

/** What caused them may be over when this is asked: another process cannot wait and cause at once. */
function rebalancedSince({ kafka }: ControlledBroker, id: string, asked: RebalancesAsked, signal: AbortSignal): Promise<TestGroup> {
  const { since, times = 1, timeout: given } = asked
  let done = 0
  const look = async (): Promise<TestGroup | undefined> => {
    const found = await kafka.group(id).describe()
    done = found.generation - since
    return done >= times && (found.state === 'Stable' || found.state === 'Empty') ? found : undefined
  }
  const missing = (): string => `group "${id}": since generation ${since} it has rebalanced ${Math.max(0, done)} of ${times} times`
  const ms = waitFor(given, signal).timeout
  return kafka.until(look, missing, ms === undefined ? undefined : durationMs(ms), signal)
}

function timesOf({ times }: { readonly times?: number }): { readonly times?: number } {
  return times === undefined ? {} : { times }
}
