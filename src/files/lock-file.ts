/*
 * The lock file: what it says, how it is put in place, and how it passes from a dead holder to exactly one heir. Who counts as dead is
 * not decided here but in lock.ts.
 *
 * Files in the folder, T being the token of a lock, a name no other ever had:
 *   commitlog.lock            the lock: JSON about its holder; its time of change is the holder's last beat
 *   commitlog.lock.after-T    the claim to succeed T: the lock that the claimant means to put in its place; there is at most one
 *   commitlog.lock.T.tmp      a lock that is being written; readers never see half a lock
 *
 * While the lock is T's and T is dead, only the holder of the claim after T may touch it: he makes the claim by an exclusive link, looks
 * again that the lock is T's, and renames the claim over it. Whoever comes late finds another token, since tokens never return, and goes.
 * A claim whose holder died passes on by the same rule. A holder that lost its lock beats on the file that it holds open, which is no
 * longer in the folder, and so harms nobody.
 */
import { join } from 'node:path'
import { type LockHolder } from './file-system.ts'
import { fs } from './node-fs.ts'
import { type ProcessIdentity } from './process-identity.ts'
import { systemCode } from './system-error.ts'

/** Name of the lock file in its folder; all files about locks begin with it. */
export const LOCK_FILE = 'commitlog.lock'

const LONGEST_LOCK_BYTES = 4096
const LONGEST_TAKEOVER_MS = 3_600_000
const MOST_ATTEMPTS = 100

/** What a lock file says. */
export interface LockRecord extends ProcessIdentity, LockHolder {
  /** Which folder was locked (its inode): a copy of the folder is not locked by the holder of the original. */
  readonly folder: string | null
  /** After how many milliseconds without a beat others may take the lock. */
  readonly takeoverMs: number
  /** Whether the holder has a kernel lock too. */
  readonly kernelLock: boolean
  /** Whether the holder has given the folder back, and only the file is still there. */
  readonly released: boolean
}

/** A lock file as it was found. */
export interface FoundLock {
  readonly path: string
  /** Undefined when the file is not a lock. */
  readonly record: LockRecord | undefined
  /** The token of the record, or a name for exactly this garbage. */
  readonly token: string
  /** Time of the last beat, ms since 1970. */
  readonly beat: number
}

/** Reads the lock file at `path`, or undefined when there is none. */
export function readLock(path: string): FoundLock | undefined {
  let descriptor: number
  try {
    descriptor = fs.openSync(path, 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const { mtimeMs, ino } = fs.fstatSync(descriptor)
    const buffer = Buffer.alloc(LONGEST_LOCK_BYTES)
    const text = buffer.toString('utf8', 0, fs.readSync(descriptor, buffer, 0, LONGEST_LOCK_BYTES, 0))
    const record = parseLock(text)
    return { path, record, token: record?.token ?? nameOfGarbage(text, ino, mtimeMs), beat: Math.round(mtimeMs) }
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Reads what a lock file says; undefined when it does not. Trusts nothing: anyone may have written it. */
export function parseLock(text: string): LockRecord | undefined {
  if (text.length > LONGEST_LOCK_BYTES) return undefined
  let value: Partial<LockRecord> | null
  try {
    value = JSON.parse(text) as Partial<LockRecord> | null
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { host, boot, namespace, pid, started, folder, token, since, takeoverMs, kernelLock, released } = value
  if (typeof token !== 'string' || !/^[\w-]{8,64}$/.test(token)) return undefined
  if (!isInteger(pid, 1, 2 ** 31 - 1) || !isInteger(since, 0, 8.64e15) || !isInteger(takeoverMs, 1, LONGEST_TAKEOVER_MS)) return undefined
  return {
    host: typeof host === 'string' ? host : 'unknown',
    boot: stringOrNull(boot), namespace: stringOrNull(namespace), started: stringOrNull(started), folder: stringOrNull(folder),
    pid, token, since, takeoverMs, kernelLock: kernelLock === true, released: released === true,
  }
}

/** A lock on its way into the folder. `dispose` must be called in the end, whether it arrived or not. */
export class LockCandidate {
  readonly #folder: string
  readonly #token: string
  readonly #text: string
  #written: { readonly path: string; readonly descriptor: number } | undefined
  #placed: number | undefined

  constructor(folder: string, record: LockRecord) {
    this.#folder = folder
    this.#token = record.token
    this.#text = textOf(record)
  }

  /** Puts the lock in place, if there is none. */
  create(): boolean {
    return this.#place(join(this.#folder, LOCK_FILE))
  }

  /** Makes the claim to succeed the lock with `token`, if nobody has made it; gives its path. */
  claim(token: string): string | undefined {
    const path = join(this.#folder, `${LOCK_FILE}.after-${token}`)
    return this.#place(path) ? path : undefined
  }

  /**
   * Replaces the dead lock `dead`; false when somebody else was first, or is about to.
   *
   * @param isDead  tells of another claimant whether he is dead too
   */
  succeed(dead: FoundLock, isDead: (claim: FoundLock) => boolean): boolean {
    const claim = this.claim(dead.token) ?? this.#succeedClaimant(dead.token, isDead)
    if (claim === undefined) return false
    const token = readLock(dead.path)?.token
    if (token !== dead.token) {
      removeIfThere(claim)
      return token === this.#token
    }
    renameIfThere(claim, dead.path)       // if it is not: somebody took us for dead and put his own in place
    return readLock(dead.path)?.token === this.#token
  }

  /** The descriptor of the file in place, to beat with; it belongs to the caller from now on. */
  takeDescriptor(): number {
    const descriptor = this.#placed ?? this.#written!.descriptor
    if (this.#placed !== undefined) this.#placed = undefined
    else this.#drop(false)
    return descriptor
  }

  /** Leaves nothing behind of what did not arrive. */
  dispose(): void {
    if (this.#placed !== undefined) fs.closeSync(this.#placed)
    this.#placed = undefined
    this.#drop(true)
  }

  #succeedClaimant(token: string, isDead: (claim: FoundLock) => boolean): string | undefined {
    const claim = readLock(join(this.#folder, `${LOCK_FILE}.after-${token}`))
    return claim !== undefined && isDead(claim) && this.succeed(claim, isDead) ? claim.path : undefined
  }

  /** Puts the lock at `path` whole, in one step, if nothing is there. */
  #place(path: string): boolean {
    for (let attempt = 0; ; attempt++) {
      const written = this.#write()
      try {
        fs.linkSync(written.path, path)
        return true
      } catch (error) {
        const code = systemCode(error)
        if (code === 'EEXIST') return readLock(path)?.token === this.#token       // NFS: the answer to a link that succeeded may get lost
        if (code !== 'ENOENT' && code !== undefined) return this.#placeWithoutLinks(path, error)
        if (attempt === MOST_ATTEMPTS) throw error
        this.#drop(true)       // a new holder tidied up: once more
      }
    }
  }

  // FAT, SMB and some others have no links. The file appears empty and is filled: for the others garbage, until it is whole.
  #placeWithoutLinks(path: string, linkError: unknown): boolean {
    if (!linkless.has(systemCode(linkError)!)) throw linkError
    let descriptor: number
    try {
      descriptor = fs.openSync(path, 'wx')
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false
      throw error
    }
    if (this.#placed !== undefined) fs.closeSync(this.#placed)
    this.#placed = descriptor
    fs.writeSync(descriptor, this.#text, 0)
    return true
  }

  #write(): { readonly path: string; readonly descriptor: number } {
    if (this.#written !== undefined) return this.#written
    const path = join(this.#folder, `${LOCK_FILE}.${this.#token}.tmp`)
    this.#written = { path, descriptor: fs.openSync(path, 'wx') }
    fs.writeSync(this.#written.descriptor, this.#text, 0)
    return this.#written
  }

  #drop(close: boolean): void {
    if (this.#written === undefined) return
    if (close) fs.closeSync(this.#written.descriptor)
    removeIfThere(this.#written.path)
    this.#written = undefined
  }
}

const linkless = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL', 'UNKNOWN', 'EISDIR'])

/**
 * Gives the lock of `record` back: says so in its own file, and removes that from the folder if it is still there.
 *
 * @param descriptor  of the file, as `takeDescriptor` gave it
 * @param claimToken  a fresh one: the file is removed under the claim to succeed it, so that nobody's lock is removed but ours
 */
export function releaseLock(folder: string, record: LockRecord, descriptor: number, claimToken: string): void {
  fs.writeSync(descriptor, textOf({ ...record, released: true }), 0)
  const path = join(folder, LOCK_FILE)
  const candidate = new LockCandidate(folder, { ...record, token: claimToken })
  try {
    const claim = readLock(path)?.token === record.token ? candidate.claim(record.token) : undefined
    if (claim === undefined) return
    if (readLock(path)?.token === record.token) removeIfThere(path)
    removeIfThere(claim)
  } finally {
    candidate.dispose()
  }
}

/** Removes what processes left behind that died while they were taking the lock. Only for the holder of `token`, right after it took it. */
export function removeLeftovers(folder: string, token: string): void {
  const names = fs.readdirSync(folder).filter((name) => name.startsWith(`${LOCK_FILE}.`))
  if (names.includes(`${LOCK_FILE}.after-${token}`)) return       // somebody claims ours already: claims to that claim may be valid
  for (const name of names) if (name.includes('.after-') || name.endsWith('.tmp')) removeIfThere(join(folder, name))
}

// Always of the same length for one holder, so that one is written over the other.
function textOf(record: LockRecord): string {
  return `${JSON.stringify({ ...record, released: undefined }).slice(0, -1)},"released":${record.released ? 'true ' : 'false'}}\n`
}

function nameOfGarbage(text: string, inode: number, modifiedMs: number): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  return `garbage-${createHash('sha256').update(`${inode} ${modifiedMs} ${text}`).digest('hex').slice(0, 32)}`
}

function removeIfThere(path: string): void {
  ignoreMissing(() => fs.unlinkSync(path))
}

function renameIfThere(from: string, to: string): void {
  ignoreMissing(() => fs.renameSync(from, to))
}

function ignoreMissing(call: () => void): void {
  try {
    call()
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

function isInteger(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}

function stringOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
