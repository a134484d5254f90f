/*
 * Records as they were elsewhere, put into topics. They come in the request: a path would let whoever reaches the port read files.
 */
import { type ImportItem } from '../../import/imported-record.ts'
import { json, route, type Route } from '../route.ts'
import { anything, byName, described, either, flag, integer, list, name, object, oneOf, text } from '../schema.ts'

/** The routes. */
export const importRoutes: readonly Route[] = [
  route('topics', {
    method: 'POST', path: '/imports', name: 'importRecords', summary: 'Puts records into topics as they were elsewhere, offsets and timestamps kept',
    description: 'A record is a line of `commitlog export`, `dump --json` or `kcat -J`, or an object as appendRecords takes it, with its `topic`. '
      + 'Topics that are missing are made, and keep their records for ever.',
    body: object({ records: list(either(text, byName(anything))) }, {
      topic: described(name, 'The one that all of them get into. Default: the one that each names.'), partitions: integer(1),
      offsets: described(oneOf('keep', 'new'), 'Default keep.'),
      uncommitted: described(flag, 'Also records of transactions that were aborted or are open.'),
    }),
    answer: json(object({
      records: integer(0), topics: list(text), uncommitted: described(integer(0), 'Records left out since they are not committed.'),
    }), 'What was imported.'),
    run: ({ broker, body: { records, ...options } }) => broker.kafka.import(records as readonly ImportItem[], options),
  }),
]
