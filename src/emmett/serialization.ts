/*
 * Data as the stores of Emmett 0.43 write it: JSON by Emmett's own serializer, whose options say which dates and bigints come back as such.
 */
import { LogError } from '../base/errors.ts'
import { type Codec } from '../base/codec.ts'
import { writeUtf8 } from '../topics/utf8.ts'
import { coreOf, type EmmettPackage, isPackage43 } from './emmett-package.ts'

/** A codec by Emmett's serializer, with its options. */
export function emmettJson(emmett: EmmettPackage | undefined, serialization: object): Codec<unknown> {
  if (!isPackage43(emmett)) throw new TypeError('serialization is what Emmett 0.43 has: install it or give it as the option emmett')
  const serializer = coreOf(emmett).JSONSerializer.from({ serialization })
  return {
    name: 'json',
    encode: (value, writer) => writeUtf8(writer, serializer.serialize(value)),
    decode: (buffer, start, end) => {
      try {
        return serializer.deserialize(buffer.toString('utf8', start, end))
      } catch (error) {
        throw new LogError('LOG_DECODE_FAILED', `data is not what the serializer reads: ${(error as Error).message}`, {}, error)
      }
    },
  }
}
