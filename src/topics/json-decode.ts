/*
 * JSON from bytes, for small documents of many small values as records have them: the shapes of objects that came before tell which key is
 * next, so that most keys are compared and not made. Everything else is left to `JSON.parse`, which also says what is wrong with what is no
 * JSON: whatever this decodes, it decodes to what `JSON.parse` does (docs/design/0014-json-decoder.md).
 */
import { readLatin1, readUtf8 } from './utf8.ts'

/** So many documents in a row are left to `JSON.parse` behind one that it is the better for. */
const LEFT_ALONE = 31
/** Bytes a value above which it is: it is fast along long texts. */
const BYTES_A_VALUE = 24
/** Values for each key that is not remembered below which it is too: where keys are data each of them is made. */
const VALUES_A_FORGOTTEN_KEY = 8
const MOST_BYTES = 64 * 1024
const MOST_DEPTH = 64
/** Keys that are remembered, in all and as what comes next in one place. */
const MOST_KEYS = 2048
const MOST_BRANCHES = 16
/** Bytes of a key that is remembered, with quotes and colon: what is longer is data, and there may be many of it. */
const MOST_KEY_BYTES = 64
/** V8 copies parts of a text that are shorter than this one; longer ones keep the whole text alive, and so are read from the bytes. */
const SLICED = 13
/** A number of so many digits is exact before it is divided by a power of ten, which is exact too: so the result is the nearest one. */
const EXACT_DIGITS = 15
const TENS = Array.from({ length: EXACT_DIGITS + 1 }, (_, digits) => Number(`1e${digits}`))

const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const BACKSLASH = 0x5c
const [EXPONENT, EXPONENT_TOO] = [0x65, 0x45] as const
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d] as const
const [TRUE, FALSE, NULL] = ['true', 'false', 'null'].map((word) => Uint8Array.from(Buffer.from(word))) as [Uint8Array, Uint8Array, Uint8Array]

/** 1 for the bytes that stand for themselves in a text: ASCII without control characters, quotes and backslashes. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0))
/** Bytes that are compared at once. */
const WORD = 4
/** What is larger is not held when the document was read. */
const MOST_MEMORY = 1024 * 1024

const NOTHING = Buffer.alloc(0)
const NO_VIEW = new DataView(new ArrayBuffer(0))
const NO_WORDS = new Uint32Array(0)
const notPlain = new Error('left to JSON.parse')

/** A place in objects, behind the keys that led to it: which keys come next. */
class Place {
  /** The key that was seen here last for the first time; the others hang on it. */
  key: Key | undefined = undefined
  branches: number

  constructor(branches = 0) {
    this.branches = branches
  }
}

/** Behind keys that are not remembered nothing is. */
const UNKNOWN = new Place(MOST_BRANCHES)

/** A key as it stands in an object. */
class Key {
  readonly name: string
  /** With quotes and colon. */
  readonly bytes: Uint8Array
  /** The same, four bytes at a time, of which the last four may overlap with those before; none of fewer bytes. */
  readonly words: Uint32Array
  readonly behind: Place
  /** Where objects begin that are its value, or in the list that is. */
  readonly inside: Place
  /** Another one that was seen in its place. */
  readonly other: Key | undefined

  constructor(name: string, bytes: Uint8Array, behind: Place, inside: Place, other: Key | undefined) {
    this.name = name
    this.bytes = bytes
    this.words = bytes.length < WORD ? NO_WORDS : wordsOf(bytes)
    this.behind = behind
    this.inside = inside
    this.other = other
  }
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const { length } = bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  return Uint32Array.from({ length: Math.ceil(length / WORD) }, (_, index) => view.getUint32(Math.min(index * WORD, length - WORD), true))
}

/** Decodes documents that are like each other. */
export class JsonDecoder {
  private readonly outermost = new Place()
  private keys = 0
  private leftAlone = 0
  /** The memory in which the last document was: often the next one is there too. */
  private memory: ArrayBufferLike | undefined = undefined
  private view: DataView = NO_VIEW
  // The document at hand
  private buffer: Buffer = NOTHING
  /** Where the buffer begins in its memory. */
  private offset = 0
  private text = ''
  private start = 0
  private end = 0
  private at = 0
  private depth = 0
  private values = 0
  /** Keys that are not remembered. */
  private forgotten = 0

  /**
   * The value in `buffer[start, end)`.
   *
   * @throws SyntaxError as `JSON.parse` does, for what is no JSON
   */
  decode(buffer: Buffer, start: number, end: number): unknown {
    const size = end - start
    if (this.leftAlone > 0) {
      this.leftAlone--
      return JSON.parse(readUtf8(buffer, start, end))
    }
    try {
      if (size <= MOST_BYTES) {
        const value = this.document(buffer, start, end)
        if (this.at === end) {
          if (size > this.values * BYTES_A_VALUE || this.forgotten * VALUES_A_FORGOTTEN_KEY > this.values) this.leftAlone = LEFT_ALONE
          return value
        }
      }
    } catch {
      // Whatever it was, JSON.parse knows better.
    } finally {
      this.buffer = NOTHING
      this.text = ''
      if (this.view.byteLength > MOST_MEMORY) this.forgetMemory()
    }
    this.leftAlone = LEFT_ALONE
    return JSON.parse(readUtf8(buffer, start, end))
  }

  private forgetMemory(): void {
    this.memory = undefined
    this.view = NO_VIEW
  }

  private document(buffer: Buffer, start: number, end: number): unknown {
    this.buffer = buffer
    if (buffer.buffer !== this.memory) {
      this.memory = buffer.buffer
      this.view = new DataView(buffer.buffer)
    }
    this.offset = buffer.byteOffset
    this.text = readLatin1(buffer, start, end)
    this.start = this.at = start
    this.end = end
    this.depth = 0
    this.values = 0
    this.forgotten = 0
    return this.value(this.outermost)
  }

  private value(inside: Place): unknown {
    this.values++
    const byte = this.buffer[this.at]!
    if (byte === QUOTE) return this.string()
    if (byte <= NINE) return this.number()
    if (byte === OBJECT) return this.object(inside)
    if (byte === ARRAY) return this.array(inside)
    if (this.is(TRUE)) return true
    if (this.is(FALSE)) return false
    if (this.is(NULL)) return null
    throw notPlain
  }

  private is(bytes: Uint8Array): boolean {
    const { buffer, at } = this
    for (let index = 0; index < bytes.length; index++) if (buffer[at + index] !== bytes[index]) return false
    this.at = at + bytes.length
    return true
  }

  private object(inside: Place): object {
    const object: Record<string, unknown> = {}
    const { buffer } = this
    if (buffer[++this.at] === OBJECT_END) {
      this.at++
      return object
    }
    this.enter()
    let place = inside
    for (;;) {
      const key = this.key(place)
      place = key.behind
      object[key.name] = this.value(key.inside)
      const byte = buffer[this.at++]
      if (byte === COMMA) continue
      if (byte !== OBJECT_END) throw notPlain
      this.depth--
      return object
    }
  }

  private array(inside: Place): unknown[] {
    const array: unknown[] = []
    const { buffer } = this
    if (buffer[++this.at] === ARRAY_END) {
      this.at++
      return array
    }
    this.enter()
    for (;;) {
      array.push(this.value(inside))
      const byte = buffer[this.at++]
      if (byte === COMMA) continue
      if (byte !== ARRAY_END) throw notPlain
      this.depth--
      return array
    }
  }

  private enter(): void {
    if (++this.depth > MOST_DEPTH) throw notPlain
  }

  private key(place: Place): Key {
    const { view, at } = this
    const from = this.offset + at
    for (let key = place.key; key !== undefined; key = key.other) {
      const { words, bytes: { length } } = key
      const last = length - WORD
      let index = 0
      let word = 0
      while (word < words.length && view.getUint32(from + index, true) === words[word]) {
        word++
        index = index + WORD < last ? index + WORD : last
      }
      if (word < words.length || (length < WORD && !this.is(key.bytes))) continue
      this.at = at + length
      return key
    }
    return this.newKey(place)
  }

  private newKey(place: Place): Key {
    const { buffer, at } = this
    if (buffer[at] !== QUOTE) throw notPlain
    const name = this.string()
    // A name that runs on behind the document is not to be remembered as something else.
    if (buffer[this.at++] !== COLON || this.at > this.end) throw notPlain
    // What an assignment would not make a property of the object itself.
    if (name in Object.prototype) throw notPlain
    const isForgotten = place.branches === MOST_BRANCHES || this.keys === MOST_KEYS || this.at - at > MOST_KEY_BYTES
    if (isForgotten) {
      this.forgotten++
      return new Key(name, NOTHING, UNKNOWN, UNKNOWN, undefined)
    }
    const key = new Key(name, Uint8Array.from(buffer.subarray(at, this.at)), new Place(), new Place(), place.key)
    place.key = key
    place.branches++
    this.keys++
    return key
  }

  private string(): string {
    const { buffer } = this
    const start = this.at + 1
    let at = start
    let byte = buffer[at]!
    while (PLAIN[byte] === 1) byte = buffer[++at]!
    if (byte !== QUOTE) return this.unusualString(at)
    this.at = at + 1
    return at - start < SLICED ? this.text.substring(start - this.start, at - this.start) : readLatin1(buffer, start, at)
  }

  /** With escapes, or characters beyond ASCII. */
  private unusualString(from: number): string {
    const { buffer, at: start } = this
    let at = from
    for (; buffer[at] !== QUOTE; at++) {
      if (buffer[at] === BACKSLASH) at++
      if (at >= buffer.length) throw notPlain
    }
    this.at = at + 1
    return JSON.parse(readUtf8(buffer, start, at + 1)) as string
  }

  private number(): number {
    const { buffer } = this
    const minus = buffer[this.at] === MINUS
    const start = minus ? this.at + 1 : this.at
    let at = start
    let byte = buffer[at]!
    let number = 0
    for (; byte >= ZERO && byte <= NINE; byte = buffer[++at]!) number = number * 10 + (byte - ZERO)
    let digits = at - start
    if (digits === 0 || (digits > 1 && buffer[start] === ZERO)) throw notPlain
    if (byte === DOT) {
      const dot = at
      for (byte = buffer[++at]!; byte >= ZERO && byte <= NINE; byte = buffer[++at]!) number = number * 10 + (byte - ZERO)
      const decimals = at - dot - 1
      if (decimals === 0) throw notPlain
      digits += decimals
      number /= TENS[decimals]!
    }
    if (digits > EXACT_DIGITS || byte === EXPONENT || byte === EXPONENT_TOO) return this.unusualNumber(at)
    this.at = at
    return minus ? -number : number
  }

  /** With an exponent, or of many digits. */
  private unusualNumber(from: number): number {
    const { buffer, at: start } = this
    let at = from
    for (let byte = buffer[at]!; (byte >= ZERO && byte <= NINE) || byte === EXPONENT || byte === EXPONENT_TOO || byte === PLUS || byte === MINUS;) {
      byte = buffer[++at]!
    }
    this.at = at
    return JSON.parse(this.text.substring(start - this.start, at - this.start)) as number
  }
}
