/*
 * Back to where it was: checkpoints, reset, and whether the test fails.
 */
import { Failures } from '../problem.ts'
import { created, done, json, route, type Route } from '../route.ts'
import { described, flag, list, name, object, oneOf, text, titled } from '../schema.ts'

const checkpoint = titled('Checkpoint', object({ id: text }), 'A moment to go back to.')
const connections = described(oneOf('keep', 'drop'), 'Whether clients go on, or have to connect again. Default keep.')
const params = { checkpoint: name }
const unknown = { 404: 'There is no such checkpoint.' }

/** The routes. */
export const checkpointRoutes: readonly Route[] = [
  route('checkpoints', {
    method: 'GET', path: '/checkpoints', name: 'listCheckpoints', summary: 'The checkpoints that are there',
    answer: json(object({ checkpoints: list(checkpoint) }), 'The checkpoints.'),
    run: ({ broker }) => ({ checkpoints: broker.checkpoints.entries.map(([id]) => ({ id })) }),
  }),
  route('checkpoints', {
    method: 'POST', path: '/checkpoints', name: 'checkpoint', summary: 'A moment to go back to: topics, records, committed offsets, transactions',
    description: 'Not the time, nor faults and the journal. Shares what does not change with the broker.',
    answer: created(checkpoint, 'It is taken.'),
    location: ({ id }) => `/checkpoints/${id}`, refuses: { 409: 'There is no room for another checkpoint.' },
    async run({ broker }) {
      broker.checkpoints.checkRoom()
      return { id: broker.checkpoints.add(await broker.kafka.checkpoint()) }
    },
  }),
  route('checkpoints', {
    method: 'POST', path: '/checkpoints/{checkpoint}/restore', name: 'restore', summary: 'Goes back to a checkpoint; ports stay', params,
    body: object({}, { connections }), answer: done('It is as it was.'), refuses: { ...unknown, 409: 'Somebody else has its folder open.' },
    run: ({ broker, params: { checkpoint: id }, body }) => broker.kafka.restore(broker.checkpoints.get(id), body),
  }),
  route('checkpoints', {
    method: 'DELETE', path: '/checkpoints/{checkpoint}', name: 'deleteCheckpoint', summary: 'Forgets a checkpoint', params,
    answer: done('It is forgotten.'), refuses: unknown, run: ({ broker, params: { checkpoint: id } }) => void broker.checkpoints.remove(id),
  }),
  route('checkpoints', {
    method: 'POST', path: '/reset', name: 'reset', summary: 'As when it was started: its topics and nothing else, no faults, an empty journal',
    body: object({}, { connections, verify: described(flag, 'Whether it is told what the test fails for. Default true.') }),
    answer: done('It is reset.'),
    refuses: { 409: 'It is reset, and the test fails for what was asked before; or its log is not, since somebody else has its folder open.' },
    description: 'Of what was started: its forks end with it, and the test fails for theirs too. Of a fork: it is as it was when it was forked. '
      + 'Checkpoints stay.',
    run: ({ broker, brokers, body: { verify = true, ...options } }) => brokers.reset(broker, { ...options, verify }),
  }),
  route('checkpoints', {
    method: 'POST', path: '/verify', name: 'verify', summary: 'Whether the test fails for what happened, or did not',
    description: 'For faults that never happened, findings of strict mode, broken contracts and scenarios that failed. Changes nothing.',
    answer: json(object({ ok: { type: 'boolean', const: true } }), 'Nothing is wrong.'), refuses: { 409: 'The test fails: `detail` says for what.' },
    run({ broker: { failures } }) {
      if (failures.length > 0) throw new Failures(failures)
      return { ok: true }
    },
  }),
]
