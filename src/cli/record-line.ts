/*
 * A record as a line for people: offset, time, key, value, headers; on a terminal no longer than its width.
 */
import { type Screen } from './screen.ts'
import { clipped, type PlainRecord, shown, shownHeaders, time } from './text.ts'

/** Names of the codecs of a topic; undefined where nobody knows. */
export interface CodecNames {
  readonly key: string | undefined
  readonly value: string | undefined
}

/** What the line shows; records of the log have it all. */
export type ShownRecord = Pick<PlainRecord, 'timestamp' | 'key' | 'value' | 'headers'>

const LEAST_WIDTH = 20

/** The line. `place`: how its beginning says where the record is. */
export function recordLine(screen: Screen, place: string, record: ShownRecord, codecs: CodecNames): string {
  const at = time(record.timestamp)
  let room = screen.width === undefined ? Infinity : Math.max(LEAST_WIDTH, screen.width - place.length - at.length - 4)
  const fit = (text: string): string => {
    const part = clipped(text, room)
    room -= part.length + 2
    return part
  }
  const key = screen.paint('cyan', fit(shown(record.key, codecs.key)))
  const value = fit(shown(record.value, codecs.value))
  const headers = record.headers.length === 0 || room <= 0 ? '' : `  ${screen.paint('dim', fit(shownHeaders(record.headers)))}`
  return `${screen.paint('dim', place)}  ${at}  ${key}  ${value}${headers}`
}
