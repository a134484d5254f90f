/*
 * What checks of a folder find, and in which words they say it.
 */

/** Of a partition: whoever has so many damages needs no more to know what to do. */
const MOST_DAMAGES = 1000

/** Something that a check found. */
export interface Finding {
  /**
   * `'damage'`: bytes that were certainly written are wrong or missing. `'torn'`: the end of a log that was not closed in good order, which
   * the next open for writing sets aside. `'note'`: nothing wrong, but worth knowing.
   */
  readonly kind: 'damage' | 'torn' | 'note'
  readonly path: string
  /** Where in the file, in bytes; undefined when it is about the file as a whole. */
  readonly position: number | undefined
  /** In a word. */
  readonly reason: string
  readonly message: string
}

/** What was found so far. */
export class Findings {
  readonly #list: Finding[] = []
  #damages = 0

  get list(): readonly Finding[] {
    return this.#list
  }

  add(finding: Finding): void {
    if (finding.kind !== 'damage' || ++this.#damages <= MOST_DAMAGES) this.#list.push(finding)
  }

  damage(path: string, reason: string, message: string, position?: number): void {
    this.add({ kind: 'damage', path, position, reason, message })
  }

  note(path: string, reason: string, message: string, position?: number): void {
    this.add({ kind: 'note', path, position, reason, message })
  }
}

const words: Readonly<Record<string, string>> = {
  'short-header': 'fewer bytes than a batch header has',
  'short-batch': 'a batch that is longer than what is left',
  'bad-length': 'a batch whose length cannot be',
  'bad-magic': 'no batch of a format that is known',
  'bad-crc': 'a batch whose checksum does not fit',
  'bad-header': 'a batch header that cannot be',
  'bad-compression': 'a batch of an unknown compression',
  'bad-offset': 'a batch with offsets that cannot be',
  'bad-timestamp': 'a batch with timestamps that cannot be',
  'bad-count': 'a batch with a record count that cannot be',
  'offset-order': 'a batch whose offsets do not follow those before it',
  'missing-bytes': 'the next segment does not begin where this one ends',
}

/** A reason in words: one of `batchDamage`, of a scan, or of recovery. */
export function inWords(reason: string): string {
  return words[reason] ?? reason
}

/** The message of an error, for a finding that names the file anyway. */
export function withoutPath(message: string, path: string): string {
  return message.startsWith(path) ? message.slice(path.length).replace(/^(?: is damaged)?:? ?/, '') : message
}
