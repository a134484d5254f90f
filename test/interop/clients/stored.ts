/*
 * The batches in a partition's folder, read from its files.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { batchSize, type BatchHeader, readBatchHeader } from '../../../src/format/batch.ts'

/** Their headers, in order. */
export function batchesOf(folder: string): BatchHeader[] {
  const headers: BatchHeader[] = []
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.log')).sort()) {
    const bytes = readFileSync(join(folder, name))
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) headers.push(readBatchHeader(bytes, at, bytes.length))
  }
  return headers
}

/** How many of their records are stored with which codec. */
export function codecsOf(folder: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { compression, recordCount } of batchesOf(folder)) counts[compression] = (counts[compression] ?? 0) + recordCount
  return counts
}
