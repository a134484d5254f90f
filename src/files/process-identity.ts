/*
 * Who a process is, as far as a lock file must tell: on which run of which kernel, in which pid namespace, under which number, since
 * when. And whether such a process still lives. Linux tells all of it under /proc; elsewhere fields are null and nobody guesses.
 */
import { fs } from './node-fs.ts'
import { systemCode } from './system-error.ts'

/** A process, never to be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly host: string
  /** One run of one kernel, from boot to shutdown; null when unknown. */
  readonly boot: string | null
  /** Where `pid` means something; null when unknown. */
  readonly namespace: string | null
  readonly pid: number
  /** When the process started, in the kernel's own count; null when unknown. */
  readonly started: string | null
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return {
    // As os.hostname() says it: the module takes longer to load than the rest of this together.
    host: readTrimmed('/proc/sys/kernel/hostname') ?? process.getBuiltinModule('node:os').hostname(),
    boot: readTrimmed('/proc/sys/kernel/random/boot_id'),
    namespace: readNamespace(),
    pid: process.pid,
    started: processStart(process.pid)?.started ?? null,
  }
}

/** Whether the process that `identity` names has certainly ended. Only for one of this kernel and this pid namespace. */
export function isGone({ pid, started }: Pick<ProcessIdentity, 'pid' | 'started'>): boolean {
  if (!exists(pid)) return true
  const found = processStart(pid)
  if (found === undefined) return false       // /proc hides the processes of other users
  return found.ended || (started !== null && found.started !== started)
}

// Signal 0 asks without sending. EPERM: it lives, and belongs to somebody else.
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}

// The name, in parentheses, may hold anything; the fields after it are counted from its end: state is the 3rd of the line, start the 22nd.
// A zombie has ended: its files are closed, only its parent has not looked yet.
function processStart(pid: number): { started: string; ended: boolean } | undefined {
  const line = readTrimmed(`/proc/${pid}/stat`)
  if (line === null) return undefined
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [state, started] = [fields[0], fields[19]]
  if (state === undefined || started === undefined) return undefined
  return { started, ended: state === 'Z' || state === 'X' }
}

function readTrimmed(path: string): string | null {
  try {
    return fs.readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

function readNamespace(): string | null {
  try {
    return fs.readlinkSync('/proc/self/ns/pid')
  } catch {
    return null
  }
}
