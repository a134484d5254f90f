/*
 * Which folders this process has open: a second open of one shares what is there, and the last one to let go closes it.
 *
 * The table hangs on globalThis, so that a module that is loaded twice, by a hot reload or as two copies of the package, finds the same. Its
 * name carries a number that changes with what is in it: copies that do not understand each other do not meet here but at the lock.
 */
import { resolve } from 'node:path'
import { isLogError } from '../base/errors.ts'
import { diskFileSystem } from '../files/disk.ts'
import { type FileSystem } from '../files/file-system.ts'
import { defaultLogConfig } from '../log/config.ts'
import { type CoreOptions, LogCore } from './log-core.ts'

/** A share in an open log. */
export interface LogShare {
  readonly core: LogCore
  /** Lets go. Call it once. */
  release(): Promise<void>
}

/** What the caller said himself, by name: what he left to defaults contradicts nobody. */
export type GivenOptions = Readonly<Partial<Record<string, unknown>>>

interface OpenLog {
  readonly opening: Promise<LogCore>
  /** `locked` as soon as somebody else was found to hold the folder. */
  readonly refused: { locked: boolean }
  core: LogCore | undefined
  handles: number
  closing: Promise<void> | undefined
}

type OpenTable = Map<string, OpenLog>

interface OpenLogs {
  readonly disk: OpenTable
  readonly others: WeakMap<FileSystem, OpenTable>
}

const TABLES = Symbol.for('commitlog.open-logs.1')

/**
 * Opens a log, or shares it when this process has it open.
 *
 * @throws TypeError when it is open with other options than those given; and what {@link LogCore.open} throws
 */
export async function openShared(options: CoreOptions, given: GivenOptions): Promise<LogShare> {
  const table = tableOf(options.files)
  const path = options.files === diskFileSystem ? resolve(options.folder) : options.files.join(options.folder)
  const key = options.readOnly ? `${path} read-only` : path
  for (;;) {
    const open = table.get(key)
    if (open === undefined) return openFirst(table, key, options, given)
    if (open.closing === undefined) return shareAsGiven(table, key, open, given)
    await open.closing.catch(() => {})
  }
}

async function openFirst(table: OpenTable, key: string, options: CoreOptions, given: GivenOptions): Promise<LogShare> {
  const refused = { locked: false }
  const open: OpenLog = { opening: openCore(table, options, refused), refused, core: undefined, handles: 0, closing: undefined }
  table.set(key, open)
  try {
    open.core = await open.opening
  } catch (error) {
    table.delete(key)
    const [otherKey, other] = holder(table, error) ?? []
    if (otherKey === undefined || other === undefined) throw error
    return shareAsGiven(table, otherKey, other, given)
  }
  return share(table, key, open)
}

/** Opens a log. Waits for the lock only when it is somebody else's: a folder has more names than one, and the holder may be us. */
async function openCore(table: OpenTable, options: CoreOptions, refused: OpenLog['refused']): Promise<LogCore> {
  try {
    return await LogCore.open({ ...options, waitMs: 0 })
  } catch (error) {
    refused.locked = isLogError(error, 'LOG_LOCKED')
    if (refused.locked) await othersOpened(table, error)
    if (options.waitMs === 0 || !refused.locked || holder(table, error) !== undefined) throw error
    return LogCore.open(options)
  }
}

/** Who holds the lock for us by another name of the folder may not be done with opening. It was not refused, so it waits for none of these. */
async function othersOpened(table: OpenTable, error: unknown): Promise<void> {
  if (!isLogError(error) || error.detail.pid !== process.pid) return
  await Promise.allSettled([...table.values()].filter(({ refused }) => !refused.locked).map(({ opening }) => opening))
}

/** The open log of this process that holds the lock that `error` tells of. */
function holder(table: OpenTable, error: unknown): [string, OpenLog] | undefined {
  if (!isLogError(error, 'LOG_LOCKED')) return undefined
  const { token } = error.detail
  return [...table].find(([, { core, closing }]) => closing === undefined && token !== undefined && core?.env.lock?.holder.token === token)
}

/** A share in what somebody else opened. */
async function shareAsGiven(table: OpenTable, key: string, open: OpenLog, given: GivenOptions): Promise<LogShare> {
  const taken = await share(table, key, open)
  try {
    checkAgrees(taken.core, given)
  } catch (error) {
    await taken.release()
    throw error
  }
  return taken
}

async function share(table: OpenTable, key: string, open: OpenLog): Promise<LogShare> {
  open.handles++
  const release = async (): Promise<void> => {
    open.handles--
    if (open.handles > 0) return open.core?.flush()
    // Whoever opens the folder from now on waits for the end of this.
    open.closing = open.core?.close() ?? Promise.resolve()
    await open.closing.finally(() => table.delete(key))
  }
  try {
    return { core: await open.opening, release }
  } catch (error) {
    open.handles--
    throw error
  }
}

/** Throws a TypeError when the log was opened with another value of an option that is given now. */
function checkAgrees({ options, folder }: LogCore, given: GivenOptions): void {
  const current: GivenOptions = { ...defaultLogConfig, ...options.settings, ...numbersOf(options) }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || current[name] === value) continue
    throw new TypeError(`${folder} is open in this process with ${name} ${String(current[name])}: it cannot be opened with ${String(value)} too`)
  }
}

function numbersOf({ bufferBytes, windowBytes, minFreeBytes }: CoreOptions): GivenOptions {
  return { bufferBytes, windowBytes, minFreeBytes }
}

function tableOf(files: FileSystem): OpenTable {
  const world = globalThis as { [TABLES]?: OpenLogs }
  const tables = (world[TABLES] ??= { disk: new Map(), others: new WeakMap() })
  if (files === diskFileSystem) return tables.disk
  let table = tables.others.get(files)
  if (table === undefined) tables.others.set(files, (table = new Map()))
  return table
}
