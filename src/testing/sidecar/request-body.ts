/*
 * What somebody sends over HTTP, read with bounds: so many bytes, so deeply nested, and as what it says it is.
 */
import { type IncomingMessage } from 'node:http'
import { Refusal } from './problem.ts'

/** Bytes of a body. */
const MOST_BYTES = 16 * 1024 * 1024
/** Read to its end all the same: who sends all of a request before he reads would see a broken connection, and not why. */
const MOST_READ_BYTES = 4 * MOST_BYTES
/** Lists and objects in each other. */
const MOST_DEPTH = 64

/** The body as JSON; undefined when there is none. Throws a Refusal for one that is too large, no JSON, or said to be something else. */
export async function jsonBody(request: IncomingMessage): Promise<unknown> {
  const bytes = await bodyOf(request)
  if (bytes.length === 0) return undefined
  checkType(request.headers['content-type'])
  const text = utf8(bytes)
  checkDepth(text)
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new Refusal('INVALID_JSON', `the body is no JSON: ${(error as Error).message}`)
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  const tooLarge = (headers = {}): Refusal => new Refusal('BODY_TOO_LARGE', `a body has at most ${MOST_BYTES} bytes`, { headers })
  // What is far too large is not read: the connection does not go on.
  if (Number(request.headers['content-length'] ?? 0) > MOST_READ_BYTES) throw tooLarge({ connection: 'close' })
  for await (const piece of request) {
    size += (piece as Buffer).length
    if (size > MOST_READ_BYTES) throw tooLarge({ connection: 'close' })
    if (size <= MOST_BYTES) pieces.push(piece as Buffer)
  }
  if (size > MOST_BYTES) throw tooLarge()
  return Buffer.concat(pieces)
}

/** A page in a browser can send other types to whom it likes without asking. */
function checkType(contentType: string | undefined): void {
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';').map((part) => part.trim())
  const charset = parameters.find((part) => part.startsWith('charset='))?.slice('charset='.length).replaceAll('"', '')
  if (type === 'application/json' && (charset === undefined || charset === 'utf-8' || charset === 'utf8')) return
  const given = contentType === undefined ? 'of no type' : contentType
  throw new Refusal('UNSUPPORTED_MEDIA_TYPE', `a body is application/json in UTF-8, not ${given}`, { headers: { accept: 'application/json' } })
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Refusal('INVALID_JSON', 'the body is not UTF-8')
  }
}

/** Looked at before it is parsed: what is nested a million deep costs whoever walks through it his stack. */
function checkDepth(text: string): void {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (quoted) {
      if (letter === '\\') at++
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '{' || letter === '[') {
      if (++depth > MOST_DEPTH) throw new Refusal('INVALID_JSON', `the body is nested more than ${MOST_DEPTH} deep`)
    } else if (letter === '}' || letter === ']') depth--
  }
}
