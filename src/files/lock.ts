/*
 * The lock of a folder on the real disk: a lease between processes of one or several machines. How the lock file passes from hand to
 * hand is in lock-file.ts; here is who counts as dead, how long to wait, and what the holder may believe. The rules and their reasons are
 * in docs/design/0005-the-lock-is-a-lease.md.
 */
import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import { LogError, type LogErrorCode } from '../base/errors.ts'
import { pause } from '../base/pause.ts'
import { systemRandom } from '../base/random.ts'
import { type FolderLock, type LockHolder } from './file-system.ts'
import { type KernelLock, takeKernelLock } from './kernel-lock.ts'
import { type FoundLock, LOCK_FILE, LockCandidate, type LockRecord, readLock, releaseLock, removeLeftovers } from './lock-file.ts'
import { lockedError } from './locked-error.ts'
import { fs } from './node-fs.ts'
import { isGone, ownIdentity, type ProcessIdentity } from './process-identity.ts'
import { systemCode } from './system-error.ts'

/** How long a holder elsewhere must be silent before its lock is taken. */
export const DEFAULT_TAKEOVER_MS = 30_000

/** A holder beats so many times in one takeover time. */
const BEATS = 6

/** What {@link lockFolder} may be told; all after the first two are for tests. */
export interface LockOptions {
  /** How long to wait while somebody lives who holds the folder. Default 0. For one that seems dead the wait is as long as it takes. */
  readonly waitMs?: number
  /** Ends the wait. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly takeoverMs?: number
  /** Who we say we are. */
  readonly identity?: Partial<ProcessIdentity>
  /** False does without the kernel lock, as an old Node does. */
  readonly kernelLock?: boolean
  /** Whether to take the file system for one that only one kernel can have mounted. Default: what the system says. */
  readonly oneKernel?: boolean
}

/**
 * Takes the folder for one writer.
 *
 * @throws LogError `LOG_LOCKED` naming the holder, `LOG_NOT_FOUND`, `LOG_NOT_A_LOG`, `LOG_ACCESS_DENIED`, `LOG_DISK_FULL`,
 *   `LOG_TOO_MANY_FILES` or `LOG_IO`; the reason of `signal` when that is aborted
 */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<FolderLock> {
  try {
    return await new Taking(folder, options).run()
  } catch (error) {
    throw clearError(folder, error)
  }
}

/** Who holds the folder, as far as the lock file tells at this moment: undefined when nobody does, or somebody who is certainly dead. */
export function lockHolder(folder: string): LockHolder | undefined {
  const found = readLock(join(folder, LOCK_FILE))
  if (found?.record === undefined) return undefined
  const witness = new Witness(folder, { kernelLock: false })
  return witness.judge(found, undefined) === 'dead' ? undefined : holderOf(found.record)
}

// Taking ---------------------------------------------------------------------------------------------------------------------------------

/** What is known of a holder: 'silent' is one that is probably dead, but must be watched until that is sure. */
type Verdict = 'dead' | 'silent' | 'alive'

/** Why the folder cannot be had at this moment, and how long to try again at least, whatever the caller's `waitMs` is. */
interface Obstacle {
  readonly holder: LockHolder | undefined
  readonly patienceMs: number
}

const FIRST_POLL_MS = 5
const LONGEST_POLL_MS = 250
const GRACE_MS = 1000       // for somebody who is just taking the folder, or giving it back

class Taking {
  readonly #folder: string
  readonly #options: LockOptions
  readonly #clock: Clock
  readonly #witness: Witness
  readonly #token: string
  #busySince: number | undefined

  constructor(folder: string, options: LockOptions) {
    this.#folder = folder
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#token = freshToken(this.#clock)
    this.#witness = new Witness(folder, options)
  }

  async run(): Promise<FolderLock> {
    const started = this.#clock.monotonic()
    for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(2 * pollMs, LONGEST_POLL_MS)) {
      this.#options.signal?.throwIfAborted()
      const outcome = this.#attempt()
      if (outcome instanceof Lease) return outcome
      const leftMs = started + Math.max(this.#options.waitMs ?? 0, outcome.patienceMs) - this.#clock.monotonic()
      if (leftMs <= 0) throw lockedError(this.#folder, outcome.holder)
      await pause(this.#clock, Math.min(pollMs, leftMs), this.#options.signal)
    }
  }

  #attempt(): Lease | Obstacle {
    const found = readLock(join(this.#folder, LOCK_FILE))
    const holder = found?.record === undefined ? undefined : holderOf(found.record)
    if (found !== undefined && this.#witness.livesHere(found)) return { holder, patienceMs: 0 }
    const kernel = this.#options.kernelLock === false ? undefined : takeKernelLock(join(this.#folder, `${LOCK_FILE}.db`))
    let lease: Lease | undefined
    try {
      const verdict = found === undefined ? 'dead' : this.#witness.judge(found, kernel)
      if (verdict !== 'dead') return { holder, patienceMs: verdict === 'silent' ? Infinity : 0 }
      if (this.#standsInTheWay(kernel)) return { holder: undefined, patienceMs: GRACE_MS }
      lease = this.#place(found, kernel)
      return lease ?? { holder, patienceMs: GRACE_MS }       // somebody was quicker: see who
    } finally {
      if (lease === undefined && kernel !== 'busy') kernel?.release()
    }
  }

  // Somebody has the kernel lock whom the lock file does not show. Where no other machine can have it, he lives; elsewhere a server may
  // remember the lock of a machine that is long gone.
  #standsInTheWay(kernel: KernelLock | 'busy' | undefined): boolean {
    if (kernel !== 'busy') this.#busySince = undefined
    else this.#busySince ??= this.#clock.monotonic()
    return this.#busySince !== undefined && (this.#witness.oneKernel || this.#clock.monotonic() - this.#busySince < GRACE_MS)
  }

  #place(dead: FoundLock | undefined, kernel: KernelLock | 'busy' | undefined): Lease | undefined {
    const own = kernel === 'busy' ? undefined : kernel
    const at = momentOf(this.#clock)
    const record = this.#witness.record(this.#token, own !== undefined)
    const candidate = new LockCandidate(this.#folder, record)
    try {
      const placed = dead === undefined ? candidate.create() : candidate.succeed(dead, (claim) => this.#witness.judge(claim, kernel) === 'dead')
      if (!placed) return undefined
      if (dead !== undefined) removeLeftovers(this.#folder, record.token)
      return new Lease(this.#folder, record, { descriptor: candidate.takeDescriptor(), kernel: own, clock: this.#clock, at })
    } finally {
      candidate.dispose()
    }
  }
}

/** What one process can tell about the holders of one folder. */
class Witness {
  /** Whether only one kernel at a time can have the folder's file system mounted. */
  readonly oneKernel: boolean
  readonly #clock: Clock
  readonly #own: ProcessIdentity
  readonly #takeoverMs: number
  readonly #folderId: string
  readonly #seen = new Map<string, { readonly token: string; readonly beat: number; readonly since: number; readonly beats: boolean }>()

  constructor(folder: string, options: LockOptions) {
    this.oneKernel = options.oneKernel ?? mountedByOneKernel(folder)
    this.#clock = options.clock ?? systemClock
    this.#own = { ...ownIdentity(), ...options.identity }
    this.#takeoverMs = options.takeoverMs ?? DEFAULT_TAKEOVER_MS
    this.#folderId = fs.statSync(folder, { bigint: true }).ino.toString()
  }

  /** What the lock file of this process says. Inodes tell a copy from the original only where they are known to stay. */
  record(token: string, kernelLock: boolean): LockRecord {
    const folder = this.oneKernel ? this.#folderId : null
    return { ...this.#own, folder, token, since: this.#clock.now(), takeoverMs: this.#takeoverMs, kernelLock, released: false }
  }

  /** Whether the holder certainly lives, without a look at the kernel lock. */
  livesHere(found: FoundLock): boolean {
    return found.record !== undefined && this.#isNear(found.record) && !found.record.kernelLock && this.judge(found, undefined) === 'alive'
  }

  /** Whether a holder lives; the rules are in the header. `kernel` is what we got of the kernel lock just now. */
  judge(found: FoundLock, kernel: KernelLock | 'busy' | undefined): Verdict {
    const { record } = found
    if (record === undefined) return this.oneKernel ? 'dead' : this.#watch(found, this.#takeoverMs)
    if (record.released || this.#isCopy(record)) return 'dead'
    if (this.#isOtherRun(record)) return this.oneKernel ? 'dead' : this.#watch(found, record.takeoverMs)
    if ((this.#isNear(record) || this.#isNamesake(record)) && isGone(record)) return 'dead'
    if (record.kernelLock && kernel !== undefined && (this.#isSameRun(record) || this.#isNamesake(record))) {
      return kernel === 'busy' ? 'alive' : this.#awaitSilence(found, (2 * record.takeoverMs) / BEATS)
    }
    return this.#isNear(record) ? 'alive' : this.#watch(found, record.takeoverMs)
  }

  #isSameRun(record: LockRecord): boolean {
    return record.boot !== null && record.boot === this.#own.boot
  }

  #isOtherRun(record: LockRecord): boolean {
    return record.boot !== null && this.#own.boot !== null && record.boot !== this.#own.boot
  }

  #isNear(record: LockRecord): boolean {
    return this.#isSameRun(record) && record.namespace !== null && record.namespace === this.#own.namespace
  }

  // Systems that tell no run of the kernel have no containers either: there a host name is as good.
  #isNamesake(record: LockRecord): boolean {
    return record.boot === null && this.#own.boot === null && process.platform !== 'linux' && record.host === this.#own.host
  }

  #isCopy(record: LockRecord): boolean {
    return this.oneKernel && this.#isSameRun(record) && record.folder !== null && record.folder !== this.#folderId
  }

  /** Dead when its last beat is `ms` old, by the wall clock that it shares with us, or was the same for so long. */
  #awaitSilence(found: FoundLock, ms: number): Verdict {
    const verdict = this.#watch(found, ms)
    if (verdict === 'dead' || this.#seen.get(found.path)!.beats) return verdict
    return this.#clock.now() - found.beat > ms ? 'dead' : 'silent'
  }

  /** Dead when its last beat was the same for `ms`. The age of the beat, by clocks that may differ, only tells whether to wait for that. */
  #watch(found: FoundLock, ms: number): Verdict {
    const now = this.#clock.monotonic()
    const seen = this.#seen.get(found.path)
    if (seen?.token !== found.token || seen.beat !== found.beat) {
      const beats = seen?.token === found.token
      this.#seen.set(found.path, { token: found.token, beat: found.beat, since: now, beats })
      return !beats && Math.abs(this.#clock.now() - found.beat) > ms ? 'silent' : 'alive'
    }
    if (now - seen.since >= ms) return 'dead'
    return !seen.beats && Math.abs(this.#clock.now() - found.beat) > ms ? 'silent' : 'alive'
  }
}

/** File systems on a device that two kernels cannot have mounted at once, by the numbers that statfs gives them. */
const localFileSystems = new Set([
  0xef53,       // ext2, ext3, ext4
  0x58465342,       // XFS
  0x9123683e,       // Btrfs
  0xf2f52010,       // F2FS
  0x2fc12fc1,       // ZFS
  0xca451a4e,       // bcachefs
  0x01021994,       // tmpfs
])

function mountedByOneKernel(folder: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    return localFileSystems.has(fs.statfsSync(folder).type >>> 0)
  } catch {
    return false
  }
}

// Holding --------------------------------------------------------------------------------------------------------------------------------

/** One moment by both clocks. */
interface Moment {
  readonly monotonic: number
  readonly wall: number
}

interface Held {
  readonly descriptor: number
  readonly kernel: KernelLock | undefined
  readonly clock: Clock
  /** When the lock was certainly ours. */
  readonly at: Moment
}

/** A lock that was taken. */
class Lease implements FolderLock {
  readonly holder: LockHolder
  readonly #folder: string
  readonly #record: LockRecord
  readonly #held: Held
  #state: 'held' | 'lost' | 'released' = 'held'
  #confirmedAt: Moment
  #lastBeat = 0
  #queue: Promise<unknown> = Promise.resolve()       // one look at the lock file at a time, each begun when it was asked for or later
  #timer: Timer | undefined
  #releasing: Promise<void> | undefined

  constructor(folder: string, record: LockRecord, held: Held) {
    this.holder = holderOf(record)
    this.#folder = folder
    this.#record = record
    this.#held = held
    this.#confirmedAt = held.at
    this.#setTimer()
  }

  get confirmed(): boolean {
    if (this.#state !== 'held') return false
    const { monotonic, wall } = momentOf(this.#held.clock)
    const trust = this.#record.takeoverMs / 2
    return monotonic - this.#confirmedAt.monotonic < trust && Math.abs(wall - this.#confirmedAt.wall) < trust
  }

  confirm(): Promise<boolean> {
    const result = this.#queue.then(() => this.#beat())
    this.#queue = result.catch(() => {})
    return result
  }

  release(): Promise<void> {
    this.#releasing ??= this.#release()
    return this.#releasing
  }

  // The beat goes to the file that we hold open, so that it never reaches somebody else's; then the token tells whether that is the lock.
  async #beat(): Promise<boolean> {
    if (this.#state !== 'held') return false
    const at = momentOf(this.#held.clock)
    this.#lastBeat = Math.max(this.#lastBeat + 1, at.wall)
    let found: FoundLock | undefined
    try {
      await setBeat(this.#held.descriptor, this.#lastBeat)
      found = readLock(join(this.#folder, LOCK_FILE))
    } catch (error) {
      throw clearError(this.#folder, error)
    }
    if (this.#state !== 'held') return false
    if (found?.token !== this.#record.token) {
      this.#end('lost')
      return false
    }
    this.#confirmedAt = at
    return true
  }

  async #release(): Promise<void> {
    const held = this.#state === 'held'
    if (held) this.#state = 'released'
    this.#timer?.cancel()
    await this.#queue
    if (!held) return
    try {
      releaseLock(this.#folder, this.#record, this.#held.descriptor, freshToken(this.#held.clock))
    } catch (error) {
      throw clearError(this.#folder, error)
    } finally {
      this.#end('released')
    }
  }

  #end(state: 'lost' | 'released'): void {
    this.#state = state
    this.#timer?.cancel()
    fs.closeSync(this.#held.descriptor)
    this.#held.kernel?.release()
  }

  #setTimer(): void {
    const beat = (): void => void this.confirm().catch(() => {}).then(() => this.#state === 'held' && this.#setTimer())
    this.#timer = this.#held.clock.setTimer(beat, this.#record.takeoverMs / BEATS, { ref: false })
  }
}

function setBeat(descriptor: number, ms: number): Promise<void> {
  const time = new Date(ms)
  return new Promise((resolve, reject) => fs.futimes(descriptor, time, time, (error) => (error === null ? resolve() : reject(error))))
}

function holderOf({ pid, host, since, token }: LockRecord): LockHolder {
  return { pid, host, since, token }
}

/** A name that no other lock ever had: by whom, when, and 106 bits of chance. It is no secret. */
function freshToken(clock: Clock): string {
  const draw = (): string => Math.floor(systemRandom.next() * 2 ** 53).toString(36)
  return [process.pid.toString(36), clock.now().toString(36), draw(), draw()].join('-')
}

function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now() }
}

const clearCodes: Readonly<Record<string, readonly [LogErrorCode, string]>> = {
  ENOENT: ['LOG_NOT_FOUND', 'does not exist'],
  ENOTDIR: ['LOG_NOT_A_LOG', 'is not a folder'],
  EACCES: ['LOG_ACCESS_DENIED', 'may not be written'],
  EPERM: ['LOG_ACCESS_DENIED', 'may not be written'],
  EROFS: ['LOG_ACCESS_DENIED', 'is on a read-only file system'],
  ENOSPC: ['LOG_DISK_FULL', 'has no room for its lock file'],
  EDQUOT: ['LOG_DISK_FULL', 'has no room for its lock file'],
  EMFILE: ['LOG_TOO_MANY_FILES', 'cannot be locked: the process has no file descriptor left'],
  ENFILE: ['LOG_TOO_MANY_FILES', 'cannot be locked: the system has no file descriptor left'],
}

function clearError(folder: string, error: unknown): unknown {
  const code = systemCode(error)
  if (code === undefined) return error
  const [logCode, what] = clearCodes[code] ?? ['LOG_IO', 'cannot be locked']
  return new LogError(logCode, `${folder} ${what} (${code})`, { folder }, error)
}
