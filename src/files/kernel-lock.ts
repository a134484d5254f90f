/*
 * A lock that the kernel takes back when its process dies, where Node can make one: an exclusive transaction of node:sqlite on an empty
 * database file (Node 22.13 and later). It is evidence about a holder, never what decides who holds the folder.
 *
 * POSIX drops such a lock as soon as its process closes any descriptor of the file: nobody in this process may open the file otherwise,
 * not even to copy it (folders.ts leaves it out).
 */
import type sqlite from 'node:sqlite'

/** A kernel lock that is held. */
export interface KernelLock {
  /** Gives it back; a second call does nothing. */
  release(): void
}

const BUSY = 5       // SQLITE_BUSY

let module: typeof sqlite | null | undefined

/** Takes the lock on the file at `path`, creating it: 'busy' when another process or thread has it, undefined when there are none here. */
export function takeKernelLock(path: string): KernelLock | 'busy' | undefined {
  module ??= loadSqlite()
  if (module === null) return undefined
  let database: sqlite.DatabaseSync | undefined
  try {
    database = new module.DatabaseSync(path)
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')       // no journal file beside it
    return { release: () => close(database!) }
  } catch (error) {
    if (database !== undefined) close(database)
    return error instanceof Error && 'errcode' in error && error.errcode === BUSY ? 'busy' : undefined
  }
}

// Older Nodes say on loading that SQLite is experimental. Whoever uses this package did not ask for it and cannot act on it.
function loadSqlite(): typeof sqlite | null {
  const emitWarning = process.emitWarning
  process.emitWarning = () => {}
  try {
    return (process.getBuiltinModule('node:sqlite') as typeof sqlite | undefined) ?? null
  } catch {
    return null
  } finally {
    process.emitWarning = emitWarning
  }
}

function close(database: sqlite.DatabaseSync): void {
  if (database.isOpen) database.close()
}
