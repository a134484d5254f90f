/*
 * What a record is made of before it is one.
 */
import { type Codec } from '../base/codec.ts'

/** How a topic turns keys and values into bytes. */
export interface RecordCodecs<K, V> {
  readonly key: Codec<K>
  readonly value: Codec<V>
}

/** Headers in the order they are given; names may repeat in the list form. Strings are UTF-8. */
export type HeadersInput =
  | Iterable<readonly [string, Uint8Array | string | null]>
  | { readonly [name: string]: Uint8Array | string | null | undefined }

/** A record to append. */
export interface RecordInput<K, V> {
  /** Decides the partition and what compaction keeps; null or absent for none. */
  readonly key?: K | null
  /** Null is a tombstone: for compaction the key is gone. */
  readonly value: V | null
  readonly headers?: HeadersInput
  /** Milliseconds since 1970, or −1 for none. Default: now. */
  readonly timestamp?: number
}
