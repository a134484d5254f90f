/*
 * Shows segments as they are on disk: each batch with its header and its records, and damage where there is some. Reads the files
 * themselves, so it also shows what no reader of the log sees: control batches, aborted transactions, torn tails.
 */
import { basename } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { isLogError } from '../base/errors.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type FileHandle } from '../files/file-system.ts'
import { type BatchHeader, type DecodedRecord } from '../format/batch.ts'
import { readControlType } from '../format/control.ts'
import { parseFileName } from '../format/names.ts'
import { inWords } from '../log/findings.ts'
import { planFolder } from '../log/folder-plan.ts'
import { type FoundBatch, type Piece, readRecords, walkSegment } from '../log/inspect.ts'
import { findLog, type FoundPartition } from '../topics/verify-log.ts'
import { type Call, UsageError } from './command.ts'
import { type CodecNames, recordLine } from './record-line.ts'
import { type ChosenPartitions, unknownPartition, unknownTopic } from './records.ts'
import { count, counted, jsonLine, printable, size, time } from './text.ts'

const noCodecs: CodecNames = { key: undefined, value: undefined }

/** Shows the segments of the partitions of a log, of those that are asked for. */
export async function dumpPartitions(call: Call, folder: string, chosen: ChosenPartitions): Promise<number> {
  const found = findLog(diskFileSystem, folder, { clock: systemClock })
  const names = [...new Set(found.partitions.map(({ topic }) => topic))]
  if (chosen.topic !== undefined && !names.includes(chosen.topic)) throw unknownTopic(folder, chosen.topic, names)
  const ofTopic = found.partitions.filter(({ topic }) => chosen.topic === undefined || topic === chosen.topic)
  const partitions = ofTopic.filter(({ partition }) => chosen.partition === undefined || partition === chosen.partition)
  if (chosen.partition !== undefined && partitions.length === 0) {
    throw unknownPartition(folder, chosen.partition, chosen.topic === undefined ? undefined : { name: chosen.topic, count: ofTopic.length })
  }
  for (const one of partitions.sort(byName)) {
    const entry = found.catalog?.topics.find(({ name }) => name === one.topic)
    await dumpPartition(call, one, entry ?? noCodecs)
  }
  return 0
}

/** Shows one segment by its file. */
export async function dumpSegment(call: Call, path: string): Promise<number> {
  await dumpPieces(call, path, parseFileName(basename(path))?.baseOffset ?? 0, noCodecs)
  return 0
}

/** The offsets that are asked for. A range without any is a UsageError. */
export function rangeOf(call: Call): { readonly from: number; readonly to: number } {
  const [from, to] = [call.number('from') ?? 0, call.number('to') ?? Infinity]
  if (from < to) return { from, to }
  throw new UsageError(`there is no offset from ${from} on and below ${to}: --to is exclusive and larger than --from`)
}

async function dumpPartition(call: Call, { topic, partition, folder, bytes }: FoundPartition, codecs: CodecNames): Promise<void> {
  const { segments } = planFolder(diskFileSystem, folder)
  const { screen } = call
  await screen.print(`${screen.paint('bold', `${topic}-${partition}`)}  ${counted(segments.length, 'segment')}, ${size(bytes)}`)
  const { from, to } = rangeOf(call)
  for (const [number, { baseOffset, files }] of segments.entries()) {
    const next = segments[number + 1]
    if (baseOffset >= to || (next !== undefined && next.baseOffset <= from)) continue
    await screen.print(`  ${screen.paint('dim', files.log)}`)
    await dumpPieces(call, diskFileSystem.join(folder, files.log), baseOffset, codecs, next?.baseOffset)
  }
}

async function dumpPieces(call: Call, path: string, baseOffset: number, codecs: CodecNames, endOffset = Infinity): Promise<void> {
  const file = diskFileSystem.openSync(path, 'read')
  const { from, to } = rangeOf(call)
  try {
    for (const piece of walkSegment(file, { baseOffset, to: file.sizeSync(), endOffset })) {
      if ('batch' in piece && (piece.batch.header.lastOffset < from || piece.batch.header.baseOffset >= to)) continue
      for (const line of call.json ? [pieceJson(piece)] : pieceLines(call, file, piece, codecs)) await call.screen.print(line)
      call.terminal.signal.throwIfAborted()
    }
  } finally {
    file.closeSync()
  }
}

function pieceJson(piece: Piece): string {
  if (!('batch' in piece)) return jsonLine(piece)
  const { position, header, marker, problem } = piece.batch
  return jsonLine({ kind: piece.kind, position, ...header, marker: marker?.type, problem })
}

function* pieceLines(call: Call, file: FileHandle, piece: Piece, codecs: CodecNames): Generator<string> {
  const { screen } = call
  if (piece.kind === 'zeros') {
    return yield `    @${piece.position}  ${screen.paint('dim', `${size(piece.size)} of zeros: room that was not used`)}`
  }
  if (piece.kind === 'damage') {
    return yield `    @${piece.position}  ${screen.paint('red', `${size(piece.size)} of damage: ${inWords(piece.reason)}`)}`
  }
  const { batch } = piece
  const wrong = piece.kind === 'misplaced' ? `  ${screen.paint('red', `its offsets do not follow: ${piece.due} is due`)}` : ''
  yield `    @${batch.position}  ${batchLine(batch.header)}${batch.marker === undefined ? '' : `  ${batch.marker.type.toLowerCase()} marker`}${wrong}`
  if (batch.problem !== undefined) yield `      ${screen.paint('red', printable(batch.problem))}`
  else if (!call.flag('batches')) yield* recordLines(call, file, batch, codecs)
}

function batchLine(header: BatchHeader): string {
  const { baseOffset, lastOffset, recordCount, compression, leaderEpoch, producerId, producerEpoch, baseSequence } = header
  return [
    `offsets ${baseOffset}..${lastOffset}`, counted(recordCount, 'record'), `${count(header.size)} B`,
    ...(compression === 'none' ? [] : [compression]), `epoch ${leaderEpoch}`, time(header.maxTimestamp),
    ...(header.timestampType === 'LogAppendTime' ? ['append time'] : []),
    ...(producerId < 0n ? [] : [`producer ${producerId}/${producerEpoch}`, ...(baseSequence < 0 ? [] : [`sequence ${baseSequence}`])]),
    ...(header.transactional ? ['transactional'] : []), ...(header.control ? ['control'] : []),
    ...(header.deleteHorizon ? [`delete horizon ${time(header.baseTimestamp)}`] : []),
  ].join('  ')
}

function* recordLines(call: Call, file: FileHandle, batch: FoundBatch, codecs: CodecNames): Generator<string> {
  const { control, timestampType, maxTimestamp } = batch.header
  const records = recordsOf(file, batch)
  if (typeof records === 'string') return yield `      ${call.screen.paint('dim', records)}`
  const { from, to } = rangeOf(call)
  for (const record of records) {
    if (record.offset < from || record.offset >= to) continue
    const timestamp = timestampType === 'LogAppendTime' ? maxTimestamp : record.timestamp
    const place = `      ${String(record.offset).padStart(8)}`
    yield control ? `${place}  ${time(timestamp)}  ${controlName(record)}` : recordLine(call.screen, place, { ...record, timestamp }, codecs)
  }
}

/** The records of a whole batch, or why they cannot be shown: a codec that is not installed. */
function recordsOf(file: FileHandle, batch: FoundBatch): DecodedRecord[] | string {
  try {
    return readRecords(file, batch)
  } catch (error) {
    if (isLogError(error, 'LOG_CODEC_MISSING')) return error.message
    throw error
  }
}

function controlName({ key }: DecodedRecord): string {
  return readControlType(key).toLowerCase()
}

function byName(one: FoundPartition, other: FoundPartition): number {
  return one.topic === other.topic ? one.partition - other.partition : one.topic < other.topic ? -1 : 1
}
