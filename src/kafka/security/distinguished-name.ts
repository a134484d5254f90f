/*
 * The name of whom a certificate is for, as Java prints it and so as Kafka calls the principal: RFC 2253, the last part first, without spaces:
 * `CN=ada,O=Example,C=SE`. Read from the certificate's bytes, since what Node gives has lost the order. Spec: X.690 (DER), X.509, RFC 2253.
 */

/** The parts that have short names there; others are shown by number, with their bytes. */
const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN', '2.5.4.6': 'C', '2.5.4.7': 'L', '2.5.4.8': 'ST', '2.5.4.9': 'STREET', '2.5.4.10': 'O', '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID', '0.9.2342.19200300.100.1.25': 'DC',
}

const UTF8_STRING = 0x0c
const PRINTABLE_STRING = 0x13
const T61_STRING = 0x14
const IA5_STRING = 0x16
const BMP_STRING = 0x1e
const VERSION = 0xa0

/** One value in DER: its tag, its content, and where it began. */
interface Der {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

/**
 * The subject of a certificate.
 *
 * @param certificate  its DER bytes
 * @throws RangeError when they are no certificate
 */
export function subjectOf(certificate: Buffer): string {
  const [signed] = parts(one(certificate).content)
  const fields = parts(signed!.content)
  // Serial number, algorithm, issuer, validity, subject; a version before them when it is not the first.
  const subject = fields[fields[0]?.tag === VERSION ? 5 : 4]
  if (subject === undefined) throw new RangeError('the certificate has no subject')
  return parts(subject.content).reverse().map(relativeName).join(',')
}

function relativeName({ content }: Der): string {
  return parts(content).map((attribute) => {
    const [type, value] = parts(attribute.content)
    const id = identifier(type!.content)
    const name = shortNames[id]
    const text = name === undefined ? undefined : textOf(value!)
    return text === undefined ? `${name ?? id}=#${value!.whole.toString('hex')}` : `${name}=${escaped(text)}`
  }).join('+')
}

function textOf({ tag, content }: Der): string | undefined {
  if (tag === UTF8_STRING) return content.toString('utf8')
  if (tag === PRINTABLE_STRING || tag === IA5_STRING || tag === T61_STRING) return content.toString('latin1')
  return tag === BMP_STRING && content.length % 2 === 0 ? Buffer.from(content).swap16().toString('utf16le') : undefined
}

function escaped(text: string): string {
  const inside = text.replace(/[,=+<>#;"\\]/g, '\\$&').replaceAll('\0', '\\00')
  return inside.replace(/^ +| +$/g, (spaces) => spaces.replaceAll(' ', '\\ '))
}

/** The dotted form of an object identifier. */
function identifier(bytes: Buffer): string {
  const numbers: number[] = []
  let number = 0
  for (const byte of bytes) {
    number = number * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    numbers.push(number)
    number = 0
  }
  const first = numbers.shift() ?? 0
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - top * 40, ...numbers].join('.')
}

function parts(content: Buffer): Der[] {
  const found: Der[] = []
  for (let at = 0; at < content.length;) {
    const next = one(content.subarray(at))
    found.push(next)
    at += next.whole.length
  }
  return found
}

/** The value at the beginning of some bytes. */
function one(bytes: Buffer): Der {
  const tag = bytes[0]
  let size = bytes[1]
  let at = 2
  if (tag === undefined || size === undefined) throw new RangeError('the certificate is cut')
  if (size >= 0x80) {
    const count = size - 0x80
    if (count < 1 || count > 4 || bytes.length < at + count) throw new RangeError('the certificate has a length that is none')
    size = bytes.readUIntBE(at, count)
    at += count
  }
  if (size > bytes.length - at) throw new RangeError('the certificate is cut')
  return { tag, content: bytes.subarray(at, at + size), whole: bytes.subarray(0, at + size) }
}
