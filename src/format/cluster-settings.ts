/*
 * `cluster-settings`: what clients of the wire listener have set that belongs to no topic's settings and to no record. One of our own files
 * (docs/format.md#cluster-settings): JSON behind the common header, an object whose members are sections. What a section holds is said by
 * whoever keeps it; a section that this version does not know is kept as it is.
 */
import { LogError } from '../base/errors.ts'
import { decodeSideFile, encodeSideFile } from './side-file.ts'

/** Name of the file in the folder of a log. */
export const CLUSTER_SETTINGS_FILE = 'cluster-settings'

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** Sections by name. */
export type ClusterSettings = ReadonlyMap<string, Json>

/** Numbers on disk are forever. */
const KIND = 'CLST'
const VERSION = { major: 1, minor: 0 }

/** The bytes of the file. */
export function encodeClusterSettings(sections: ClusterSettings): Buffer {
  return encodeSideFile(KIND, VERSION, Buffer.from(JSON.stringify(Object.fromEntries(sections))))
}

/**
 * The sections, as the file says.
 *
 * @throws LogError `LOG_FILE_CORRUPT`, or `LOG_VERSION_UNSUPPORTED` for a newer major version
 */
export function decodeClusterSettings(bytes: Uint8Array, path: string): Map<string, Json> {
  const { payload } = decodeSideFile(bytes, KIND, VERSION, path)
  const parsed = parse(payload, path)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw corrupt(path, 'it holds no object')
  return new Map(Object.entries(parsed))
}

function parse(payload: Buffer, path: string): Json {
  try {
    return JSON.parse(payload.toString('utf8')) as Json
  } catch (error) {
    throw corrupt(path, (error as Error).message, error)
  }
}

function corrupt(path: string, reason: string, cause?: unknown): LogError {
  return new LogError('LOG_FILE_CORRUPT', `${path} is damaged: ${reason}`, { path, reason }, cause)
}
