/*
 * The broker as a whole: where clients find it, its brokers, and the forks of it.
 */
import { LogError } from '../../../base/errors.ts'
import { type Brokers } from '../brokers.ts'
import { type ControlledBroker } from '../controlled-broker.ts'
import { Failures } from '../problem.ts'
import { created, done, json, route, type Route } from '../route.ts'
import { described, type Described, flag, integer, list, name, object, oneOf, orNull, text, titled } from '../schema.ts'

const node = titled('Broker', object({
  nodeId: integer(0), host: text, port: integer(0, 65_535), up: described(flag, 'False: it is down.'),
}), 'One broker of the cluster.')

const cluster = titled('Cluster', object({
  id: described(orNull(text), 'Of a fork; null for the one that was started.'),
  control: described(text, 'The address that its routes stand behind.'),
  bootstrap: described(text, 'What clients call bootstrap.servers.'),
  seed: described(integer(0), 'What is drawn is drawn from it.'),
  clock: oneOf('real', 'virtual', 'skip'),
  connections: integer(0),
  brokers: list(node),
}), 'A Kafka under control.')

const params = { broker: described(integer(0), 'Node id.') }
const unknown = { 404: 'There is no such broker.' }

/** The routes. */
export const brokerRoutes: readonly Route[] = [
  route('broker', {
    method: 'GET', path: '/', name: 'getCluster', summary: 'Where clients find it, and what it is', answer: json(cluster, 'The cluster.'),
    run: ({ broker, brokers }) => clusterForm(broker, brokers),
  }),
  route('broker', {
    method: 'GET', path: '/brokers', name: 'listBrokers', summary: 'The brokers, those that are down too',
    answer: json(object({ brokers: list(node) }), 'The brokers.'), run: ({ broker }) => ({ brokers: nodesOf(broker) }),
  }),
  route('broker', {
    method: 'POST', path: '/brokers/{broker}/down', name: 'stopBroker', params, refuses: unknown,
    summary: 'A broker dies: its port refuses, its connections end, others lead what it led', answer: json(node, 'It is down.'),
    async run({ broker, params: { broker: nodeId } }) {
      nodeOf(broker, nodeId)
      await broker.kafka.faults.broker(nodeId).down()
      return nodeOf(broker, nodeId)
    },
  }),
  route('broker', {
    method: 'POST', path: '/brokers/{broker}/up', name: 'startBroker', params, refuses: unknown, summary: 'It is there again, on the same port',
    answer: json(node, 'It is up.'),
    async run({ broker, params: { broker: nodeId } }) {
      nodeOf(broker, nodeId)
      await broker.kafka.faults.broker(nodeId).up()
      return nodeOf(broker, nodeId)
    },
  }),
  route('broker', {
    method: 'POST', path: '/brokers/{broker}/drop-connections', name: 'dropConnections', params, refuses: unknown,
    summary: 'Its connections end; it stays', answer: done('They are closed.'),
    run({ broker, params: { broker: nodeId } }) {
      nodeOf(broker, nodeId)
      broker.kafka.faults.broker(nodeId).dropConnections()
    },
  }),
  route('broker', {
    method: 'GET', path: '/forks', name: 'listForks', summary: 'The forks that are there',
    answer: json(object({ forks: list(cluster) }), 'The forks.'),
    run: ({ brokers }) => ({ forks: brokers.forks.entries.map(([, fork]) => clusterForm(fork, brokers)) }),
  }),
  route('broker', {
    method: 'POST', path: '/forks', name: 'fork', summary: 'Another Kafka that begins where this one is, or was',
    description: 'It has ports of its own, and shares records until one of the two writes. All routes stand behind its `control` as well.',
    body: object({}, { from: described(name, 'The id of a checkpoint. Default: now.'), seed: integer(0, 0xffff_ffff) }),
    answer: created(cluster, 'The fork.'), location: ({ control }) => new URL(control).pathname,
    refuses: { 404: 'There is no such checkpoint.', 409: 'There is no room for another fork.' },
    async run({ broker, brokers, body: { from, seed } }) {
      const options = { ...(from !== undefined && { from: broker.checkpoints.get(from) }), ...(seed !== undefined && { seed }) }
      return clusterForm(await brokers.fork(broker, options), brokers)
    },
  }),
  route('broker', {
    method: 'DELETE', path: '/forks/{fork}', name: 'closeFork', summary: 'Ends a fork', params: { fork: name }, answer: done('It is closed.'),
    refuses: { 404: 'There is no such fork.', 409: 'It is closed, and the test fails for what was asked of it.' },
    async run({ brokers, params: { fork } }) {
      const failures = await brokers.closeFork(fork)
      if (failures.length > 0) throw new Failures(failures)
    },
  }),
]

function clusterForm(broker: ControlledBroker, brokers: Brokers): Described<typeof cluster> {
  const { bootstrap, seed, clock, connections } = broker.kafka
  const { id = null } = broker
  return { id, control: brokers.urlOf(broker), bootstrap, seed, clock: clock.mode, connections, brokers: nodesOf(broker) }
}

function nodesOf({ kafka }: ControlledBroker): Described<typeof node>[] {
  return kafka.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port, up: kafka.faults.broker(nodeId).isUp }))
}

function nodeOf(broker: ControlledBroker, nodeId: number): Described<typeof node> {
  const nodes = nodesOf(broker)
  const found = nodes.find((one) => one.nodeId === nodeId)
  if (found !== undefined) return found
  const known = nodes.map((one) => one.nodeId).join(', ')
  throw new LogError('LOG_NOT_FOUND', `there is no broker ${nodeId}: there are ${known}`, { broker: nodeId })
}
