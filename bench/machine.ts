/*
 * What stands beside every figure: machine, file system, Node, date, commit, load. Nothing here is measured twice.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'

/** Where and on what a run took place. */
export interface Machine {
  readonly date: string
  readonly commit: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly fileSystem: string
  readonly load: readonly number[]
}

/** Describes this machine, and the file system that `folder` lies on. */
export function describeMachine(folder: string): Machine {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src') === '' ? '' : ' and changes'),
    node: process.version,
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.platform()} ${os.release()}`,
    fileSystem: fileSystemOf(folder),
    load: os.loadavg().map((load) => Math.round(load * 10) / 10),
  }
}

/** Free bytes where `folder` lies. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = fs.statfsSync(folder)
  return bavail * bsize
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

/** The type of the mount that holds the folder, where the system says it. */
function fileSystemOf(folder: string): string {
  try {
    const mounts = fs.readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' '))
    const over = mounts.filter(([, place]) => place !== undefined && (folder === place || folder.startsWith(place === '/' ? '/' : `${place}/`)))
    const [device, , type] = over.sort((one, other) => one[1]!.length - other[1]!.length).at(-1)!
    return `${type} on ${device!.replace(/^\/dev\//, '')}`
  } catch {
    return 'unknown'
  }
}
