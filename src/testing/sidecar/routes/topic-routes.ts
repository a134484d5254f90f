/*
 * Topics without a client: made and deleted, records put in and looked at, leaders moved.
 */
import { LogError } from '../../../base/errors.ts'
import { internalTopicError, isInternalTopic } from '../../../topics/internal-topics.ts'
import { type TopicHands } from '../../broker/topic-hands.ts'
import { type ControlledBroker } from '../controlled-broker.ts'
import { isLike } from '../json-matcher.ts'
import { differences } from '../../matchers/expectation.ts'
import { expectationFrom, record, recordExpectation, recordForm, recordFrom, recordInput, recordPlace } from '../record-forms.ts'
import { created, done, json, route, type Route } from '../route.ts'
import { byName, described, type Described, either, flag, integer, list, name, object, oneOf, orNull, type Schema, text, titled } from '../schema.ts'
import { timeout, waitFor } from '../waits.ts'

const topicForm = titled('Topic', object({
  name: text, internal: flag,
  partitions: list(object({
    partition: integer(0), leader: described(integer(0), 'Node id.'), start: described(integer(0), 'The oldest offset that is kept.'),
    end: described(integer(0), 'The offset that the next record gets.'),
  })),
}))

const setting = either(text, { type: 'number' } as Schema<number>, flag)
const progress = object({ committed: described(list(orNull(integer(0))), 'By partition; null where nothing is.'), lag: integer(0) })
const params = { topic: name }
const place = { topic: name, partition: integer(0) }
const leader = object({ broker: described(integer(0), 'Node id.') })
const noTopic = { 404: 'There is no such topic.' }
const noPlace = { 404: 'There is no such topic or partition.' }
const MOST_RECORDS = 100_000
const USUAL_RECORDS = 1000

/** The routes. */
export const topicRoutes: readonly Route[] = [
  route('topics', {
    method: 'GET', path: '/topics', name: 'listTopics', summary: 'The topics that are there',
    answer: json(object({ topics: list(topicForm) }), 'The topics.'),
    run: ({ broker }) => ({ topics: broker.kafka.log.core.topics.map(({ name: topic }) => formOf(broker, topic)) }),
  }),
  route('topics', {
    method: 'POST', path: '/topics', name: 'createTopic', summary: 'Makes a topic; it is gone after a reset',
    body: object({ name }, {
      partitions: integer(1, 100_000), replicas: integer(1, 100), config: described(byName(setting), 'By Kafka\'s names: `cleanup.policy`.'),
    }),
    answer: created(topicForm, 'The topic.'), location: ({ name: topic }) => `/topics/${encodeURIComponent(topic)}`,
    refuses: { 409: 'There is such a topic already, or it is one of Kafka\'s own.' },
    async run({ broker, body: { name: topic, ...options } }) {
      if (isInternalTopic(topic)) throw internalTopicError(topic)
      await broker.kafka.createTopic(topic, options)
      return formOf(broker, topic)
    },
  }),
  route('topics', {
    method: 'GET', path: '/topics/{topic}', name: 'getTopic', summary: 'A topic with its partitions, offsets and leaders', params,
    answer: json(topicForm, 'The topic.'), refuses: noTopic, run: ({ broker, params: { topic } }) => formOf(broker, topic),
  }),
  route('topics', {
    method: 'DELETE', path: '/topics/{topic}', name: 'deleteTopic', summary: 'Deletes a topic', params, answer: done('It is gone.'),
    refuses: { ...noTopic, 409: 'The topic is one of Kafka\'s own.' }, run: ({ broker, params: { topic } }) => broker.kafka.deleteTopic(topic),
  }),
  route('topics', {
    method: 'POST', path: '/topics/{topic}/records', name: 'appendRecords', summary: 'Appends records: at once, and clients see them', params,
    body: object({ records: list(recordInput, { minItems: 1 }) }), answer: created(object({ records: list(recordPlace) }), 'Where they are.'),
    refuses: noTopic,
    run: ({ broker, params: { topic }, body: { records } }) => ({ records: broker.kafka.topic(topic).append(records.map(recordFrom)) }),
  }),
  route('topics', {
    method: 'GET', path: '/topics/{topic}/records', name: 'readRecords', summary: 'The records that are there, partition by partition', params,
    query: {
      partition: integer(0), from: described(integer(0), 'Offset to begin at.'), isolation: oneOf('read_committed', 'read_uncommitted'),
      limit: described(integer(1, MOST_RECORDS), `Default ${USUAL_RECORDS}.`),
    },
    answer: json(object({ records: list(record), more: described(flag, 'Whether there are more than the limit.') }), 'The records.'),
    refuses: noTopic,
    run({ broker, params: { topic }, query: { limit = USUAL_RECORDS, ...look } }) {
      const records = broker.kafka.topic(topic).records(look)
      return { records: records.slice(0, limit).map(recordForm), more: records.length > limit }
    },
  }),
  route('topics', {
    method: 'POST', path: '/topics/{topic}/next', name: 'nextRecord', params, body: object({}, timeout), answer: json(record, 'The record.'),
    summary: 'The next record that none of these calls gave yet', refuses: { 409: 'No other record came in time.' },
    async run({ broker, params: { topic }, body, signal }) {
      return recordForm(await broker.kafka.topic(topic).next(waitFor(body.timeout, signal)))
    },
  }),
  route('topics', {
    method: 'POST', path: '/topics/{topic}/wait-for', name: 'waitForRecord', params, body: object({ record: recordExpectation }, timeout),
    summary: 'The first record, of those that are there and those that come, that is as expected', answer: json(record, 'The record.'),
    refuses: { 409: 'It did not come in time.' },
    async run({ broker, params: { topic }, body: { record: given, ...body }, signal }) {
      const expected = expectationFrom(given)
      const found = broker.kafka.topic(topic).waitFor((one) => differences(one, expected, isLike).length === 0, waitFor(body.timeout, signal))
      return recordForm(await found)
    },
  }),
  route('topics', {
    method: 'GET', path: '/topics/{topic}/groups/{group}', name: 'getCommitted', params: { topic: name, group: name }, refuses: noTopic,
    summary: 'What a group has committed of a topic, and how many records it has before it',
    answer: json(progress, 'How far it is.'),
    async run({ broker, params: { topic, group } }) {
      const hands = broker.kafka.topic(topic)
      return { committed: (await hands.committed(group)).map((offset) => offset ?? null), lag: await hands.lag(group) }
    },
  }),
  route('topics', {
    method: 'POST', path: '/topics/{topic}/compact', name: 'compactTopic', summary: 'Compacts the topic now: of each key the last record stays',
    params,
    answer: done('It is compacted.'), refuses: noTopic, run: ({ broker, params: { topic } }) => broker.kafka.topic(topic).compactNow(),
  }),
  route('topics', {
    method: 'POST', path: '/topics/{topic}/retain', name: 'retainTopic', summary: 'Deletes what the topic\'s retention asks for now', params,
    answer: done('It is deleted.'), refuses: noTopic, run: ({ broker, params: { topic } }) => broker.kafka.topic(topic).retainNow(),
  }),
  route('topics', {
    method: 'DELETE', path: '/topics/{topic}/partitions/{partition}/records', name: 'deleteRecords', params: place,
    summary: 'Deletes the records of a partition below an offset; all of them where none is given', query: { before: integer(0) },
    answer: done('They are deleted.'), refuses: noPlace,
    async run({ broker, params: { topic, partition }, query: { before } }) {
      const hands = partitionOf(broker, topic, partition)
      await hands.deleteRecords(partition, before ?? hands.offsets[partition]!.end)
    },
  }),
  route('topics', {
    method: 'GET', path: '/topics/{topic}/partitions/{partition}/leader', name: 'getLeader', summary: 'The broker that leads a partition',
    params: place,
    answer: json(leader, 'The leader.'), refuses: noPlace,
    run({ broker, params: { topic, partition } }) {
      partitionOf(broker, topic, partition)
      return { broker: broker.kafka.faults.partition(topic, partition).leader }
    },
  }),
  route('topics', {
    method: 'PUT', path: '/topics/{topic}/partitions/{partition}/leader', name: 'moveLeader', params: place, refuses: noPlace,
    summary: 'Another broker leads a partition, in a new epoch',
    body: object({ broker: described(integer(0), 'Node id.') }, {
      unclean: described(flag, 'It may lack what the old leader acknowledged.'), lose: described(integer(0), 'Records that it lacks: the last ones.'),
    }),
    answer: json(leader, 'The leader.'),
    async run({ broker, params: { topic, partition }, body: { broker: nodeId, ...options } }) {
      partitionOf(broker, topic, partition)
      const hands = broker.kafka.faults.partition(topic, partition)
      await hands.moveLeader(nodeId, options)
      return { broker: hands.leader }
    },
  }),
]

function formOf(broker: ControlledBroker, topic: string): Described<typeof topicForm> {
  const { kafka } = broker
  const { offsets } = kafka.topic(topic)
  const partitions = offsets.map(({ start, end }, partition) => ({ partition, leader: kafka.faults.partition(topic, partition).leader, start, end }))
  return { name: topic, internal: topic.startsWith('__'), partitions }
}

function partitionOf({ kafka }: ControlledBroker, topic: string, partition: number): TopicHands {
  const hands = kafka.topic(topic)
  if (partition < hands.partitions) return hands
  const message = `there is no partition ${partition}: topic "${topic}" has ${hands.partitions}`
  throw new LogError('LOG_NOT_FOUND', message, { topic, partition })
}
