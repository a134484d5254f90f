/*
 * A record as a line of JSON in one of the two forms that topics/lines/parse-line.ts reads: that of `dump --json` and that of kcat's `-J`.
 */
import { isUtf8 } from 'node:buffer'
import { InputError } from '../base/input-error.ts'
import { type RecordForm } from '../topics/lines/parse-line.ts'
import { type PlainRecord, recordJson } from './text.ts'

/**
 * The line of a record.
 *
 * @param source  what it is to say of its topic: see topic-source.ts
 * @throws InputError when its form has no way to say it: kcat's has none for bytes that are not text
 */
export function formLine(form: RecordForm, record: PlainRecord, committed: boolean, source?: object): string {
  const line = form === 'dump' ? recordJson(record, committed) : kcatJson(record)
  return source === undefined ? line : `${line.slice(0, -1)},"source":${JSON.stringify(source)}}`
}

/** In the order of kcat, which leaves headers out where there are none. The node that a log of ours is has no number of interest. */
function kcatJson(record: PlainRecord): string {
  const { topic, partition, offset, timestamp, timestampType, headers } = record
  const place = `offset ${offset} of ${topic}-${partition}`
  const text = (bytes: Buffer | null, what: string): string | null => {
    if (bytes === null || isUtf8(bytes)) return bytes === null ? null : bytes.toString()
    throw new InputError(`the ${what} at ${place} is not text in UTF-8, and kcat's form has nothing else: use --format dump`)
  }
  return JSON.stringify({
    topic, partition, offset,
    ...(timestamp >= 0 && { tstype: timestampType === 'CreateTime' ? 'create' : 'logappend', ts: timestamp }),
    broker: -1,
    ...(headers.length > 0 && { headers: headers.flatMap(([name, value]) => [name, text(value, `header "${name}"`)]) }),
    key: text(record.key, 'key'), payload: text(record.value, 'value'),
  })
}
