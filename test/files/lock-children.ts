/*
 * Other processes that take the lock of a folder: the sources of the lock in a temporary folder, and children that run them and do as they
 * are told. Not a test file by itself.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleInto } from '../tools/bundled-program.ts'

/** What a child says: that it holds the folder, what an order brought, or the error. */
export interface Said {
  readonly pid: number
  readonly token?: string
  readonly result?: unknown
  readonly code?: string
  readonly message?: string
  readonly detail?: Record<string, unknown>
}

/** A process that was told to take the lock. */
export class LockChild {
  readonly process: ChildProcess
  readonly #said: Said[] = []
  readonly #waiting: { readonly resolve: (said: Said) => void; readonly reject: (error: Error) => void }[] = []

  constructor(child: ChildProcess) {
    this.process = child
    child.on('message', (said: Said) => {
      const next = this.#waiting.shift()
      if (next === undefined) this.#said.push(said)
      else next.resolve(said)
    })
    child.on('exit', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the child ended without a word'))
    })
  }

  /** The next thing it says. */
  says(): Promise<Said> {
    const said = this.#said.shift()
    if (said !== undefined) return Promise.resolve(said)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Tells it something, and gives the answer. */
  tell(order: string): Promise<Said> {
    this.process.send(order)
    return this.says()
  }

  /** Kills it, and waits until the system has noticed. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const gone = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill('SIGKILL')
    await gone
  }
}

/** Bundled sources, and the children that run them. */
export class LockWorkshop {
  readonly folder = fs.mkdtempSync(join(tmpdir(), 'commitlog-lock-sources-'))
  readonly #children: LockChild[] = []

  private constructor() {}

  static async make(): Promise<LockWorkshop> {
    const workshop = new LockWorkshop()
    const { folder } = workshop
    fs.chmodSync(folder, 0o755)
    await bundleInto(folder, { lock: './src/files/lock.ts' })
    fs.writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    fs.writeFileSync(join(folder, 'child.js'), childScript)
    fs.writeFileSync(join(folder, 'thread.js'), threadScript)
    return workshop
  }

  /** Starts a child. It takes the lock at once, or when told if `wait` is set. */
  start(folder: string, options: Record<string, unknown> = {}, how: { uid?: number; wait?: boolean; node?: string } = {}): LockChild {
    const parameters = [folder, JSON.stringify(options), how.wait === true ? 'wait' : '']
    const child = new LockChild(fork(join(this.folder, 'child.js'), parameters, {
      execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...(how.node !== undefined && { execPath: how.node }),
      ...(how.uid !== undefined && { uid: how.uid, gid: how.uid }),
    }))
    this.#children.push(child)
    return child
  }

  /** Starts a child as pid 1 of a pid namespace of its own. */
  startInNamespace(folder: string, options: Record<string, unknown> = {}): LockChild {
    const command = [process.execPath, join(this.folder, 'child.js'), folder, JSON.stringify(options), '']
    const parameters = ['-pf', '--kill-child=KILL', '--mount-proc', ...command]
    const child = new LockChild(spawn('unshare', parameters, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
    this.#children.push(child)
    return child
  }

  /** Ends what still runs. */
  async killAll(): Promise<void> {
    await Promise.all(this.#children.splice(0).map((child) => child.kill()))
  }

  async remove(): Promise<void> {
    await this.killAll()
    fs.rmSync(this.folder, { recursive: true })
  }
}

// Orders: take · confirm · release · block (the event loop, for ever) · race:<ms> (take at that time) · turns:<n> (take, look around, give
// back, n times) · anything else is answered with what the lock says of itself.
const childScript = `
import fs from 'node:fs'
import { lockFolder } from './lock.js'
const [folder, options, wait] = process.argv.slice(2)
const say = (said) => process.send({ pid: process.pid, ...said })
let lock
const take = async () => {
  try {
    lock = await lockFolder(folder, JSON.parse(options))
    say({ token: lock.holder.token })
  } catch (error) {
    say({ code: error.code ?? error.name, message: error.message, detail: error.detail })
  }
}
const turns = async (count) => {
  let broken = 0
  for (let turn = 0; turn < count; turn++) {
    const mine = await lockFolder(folder, JSON.parse(options))
    fs.writeFileSync(folder + '/owner', mine.holder.token)
    for (let look = 0; look < 20; look++) {
      await new Promise(setImmediate)
      if (fs.readFileSync(folder + '/owner', 'utf8') !== mine.holder.token) broken++
    }
    await mine.release()
  }
  say({ result: broken })
}
process.on('message', async (order) => {
  const [verb, argument] = order.split(':')
  if (verb === 'take') await take()
  else if (verb === 'confirm') say({ result: await lock.confirm() })
  else if (verb === 'release') say({ result: await lock.release() })
  else if (verb === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  else if (verb === 'race') {
    while (Date.now() < Number(argument));
    await take()
  } else if (verb === 'turns') await turns(Number(argument)).catch((error) => say({ code: error.code, message: error.message }))
  else say({ result: lock.confirmed })
})
process.on('disconnect', () => process.exit())
if (wait !== 'wait') await take()
else say({})
`

const threadScript = `
import { parentPort, workerData } from 'node:worker_threads'
import { lockFolder } from './lock.js'
try {
  globalThis.lock = await lockFolder(workerData.folder, workerData.options)
  parentPort.postMessage({ token: globalThis.lock.holder.token })
} catch (error) {
  parentPort.postMessage({ code: error.code, detail: error.detail })
}
parentPort.on('message', async () => {
  await globalThis.lock.release()
  parentPort.postMessage({})
})
`
