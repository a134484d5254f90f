/*
 * Sessions of clients as files, recorded here and replayed here. Files go through the request and the answer: a path would let whoever reaches the
 * port read and write files.
 */
import { Recording } from '../../recording/recording.ts'
import { replay } from '../../recording/replay.ts'
import { bytes, created, done, json, route, type Route } from '../route.ts'
import { base64, described, integer, list, name, object, oneOf, text, titled } from '../schema.ts'

const recording = titled('Recording', object({ id: text }), 'A session that is being recorded.')
const params = { recording: name }
const unknown = { 404: 'There is no such recording.' }

const difference = titled('ReplayDifference', object({
  request: described(integer(1), 'Which one of the recording.'), api: text, version: integer(0), clientId: text,
  at: described({ type: 'number', minimum: 0 } as const, 'Ms since the session began.'),
  path: described(text, 'Of the field: `responses[0].partitions[0].errorCode`.'), recorded: described(text, 'What it was, in words.'), now: text,
}), 'A field of an answer that is not as it was recorded.')

/** The routes. */
export const recordingRoutes: readonly Route[] = [
  route('journal', {
    method: 'GET', path: '/recordings', name: 'listRecordings', summary: 'The sessions that are being recorded',
    answer: json(object({ recordings: list(recording) }), 'The recordings.'),
    run: ({ broker }) => ({ recordings: broker.recordings.entries.map(([id]) => ({ id })) }),
  }),
  route('journal', {
    method: 'POST', path: '/recordings', name: 'record', summary: 'Records what clients ask from now on, and what they are answered',
    description: 'Passwords are left out. A reset ends it.', answer: created(recording, 'It records.'),
    location: ({ id }) => `/recordings/${id}`, refuses: { 409: 'There is no room for another recording.' },
    run({ broker }) {
      broker.recordings.checkRoom()
      return { id: broker.recordings.add(broker.kafka.record()) }
    },
  }),
  route('journal', {
    method: 'POST', path: '/recordings/{recording}/stop', name: 'stopRecording', summary: 'Records no more, and gives the session as a file', params,
    answer: bytes('application/octet-stream', 'The file, as `replay` of Node and POST /replays take it.'), refuses: unknown,
    run: ({ broker, params: { recording: id } }) => broker.recordings.remove(id).stop().encode(),
  }),
  route('journal', {
    method: 'DELETE', path: '/recordings/{recording}', name: 'deleteRecording', summary: 'Records no more, and forgets the session', params,
    answer: done('It is forgotten.'), refuses: unknown,
    run: ({ broker, params: { recording: id } }) => void broker.recordings.remove(id).stop(),
  }),
  route('journal', {
    method: 'POST', path: '/replays', name: 'replay', summary: 'Plays the clients of a recording, and compares what they are answered',
    description: 'A request is sent when all answers that came before it have come. What is of one broker alone, as addresses, is not compared.',
    body: object({ recording: base64 }, {
      pace: described(oneOf('fast', 'recorded'), 'As soon as may be, or not before its time in the recording. Default fast.'),
      ignore: described(list(name), 'Fields of answers that may differ: `highWatermark`.'),
    }),
    answer: json(object({
      requests: described(integer(0), 'How many were sent.'), compared: described(integer(0), 'How many answers were compared.'),
      skipped: described(integer(0), 'Requests that cannot be sent again, as authentication.'), differences: list(difference),
    }), 'What came of it.'),
    refuses: { 409: 'An answer did not come in time.' },
    run: ({ broker: { kafka }, body: { recording: file, ...options } }) => (
      replay(Recording.decode(Buffer.from(file, 'base64')), kafka, { ...options, differences: 'report' })
    ),
  }),
]
