/*
 * The APIs that are served, by number. What a client is told of versions is computed from this list.
 */
import { type AnyApi } from './api.ts'
import { metadata } from './apis/03-metadata.ts'
import { apiVersions } from './apis/18-api-versions.ts'

/** All of them. */
export const apis: readonly AnyApi[] = [
  metadata,
  apiVersions,
]
