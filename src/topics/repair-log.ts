/*
 * Repairs the folder of a log: what verify-log.ts finds wrong is set aside or made again, partition by partition (log/repair.ts). Without
 * `apply` it only tells what it would do.
 */
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { type FileSystem } from '../files/file-system.ts'
import { createFolderDurably } from '../files/write-fully.ts'
import { CLUSTER_SETTINGS_FILE } from '../format/cluster-settings.ts'
import { META_PROPERTIES_FILE } from '../format/meta-properties.ts'
import { Mark, markFileNames } from '../log/mark.ts'
import { applyRepair, type PartitionRepair, planRepair, type RepairStep } from '../log/repair.ts'
import { tornName } from '../log/torn-name.ts'
import { CATALOG_FILE } from './catalog.ts'
import { asLogError } from './log-folder.ts'
import { resolveSettings } from './settings.ts'
import { toolEnvironment } from './tool-environment.ts'
import { findLog, type FoundLog, type LogReport, verifyLog } from './verify-log.ts'

/** How a repair goes about it. */
export interface RepairLogOptions {
  readonly clock: Clock
  readonly random: Random
  /** False only plans. */
  readonly apply: boolean
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** What a repair did, or would do. */
export interface LogRepair {
  /** What the check found. */
  readonly before: LogReport
  readonly steps: readonly RepairStep[]
  /** Damage that nothing can be done about here. */
  readonly left: readonly string[]
}

/**
 * Repairs the log in `folder`, or tells how.
 *
 * @throws LogError `LOG_LOCKED` while somebody writes; those of {@link verifyLog}
 */
export async function repairLog(files: FileSystem, folder: string, options: RepairLogOptions): Promise<LogRepair> {
  if (!options.apply) return (await plan(files, folder, options)).repair
  const lock = await files.lock(folder)
  try {
    const planned = await plan(files, folder, options)
    if (planned.repair.steps.length > 0) await carryOut(files, folder, options, planned)
    return planned.repair
  } catch (error) {
    throw asLogError(folder, error)
  } finally {
    await lock.release()
  }
}

/** Files of the log as a whole that are set aside, with what happens then. */
const wholeFiles: Readonly<Record<string, string>> = {
  [CATALOG_FILE]: 'the topics are found again by their folders; their codecs and settings must be named again',
  [META_PROPERTIES_FILE]: 'it is made again when the log opens',
  [CLUSTER_SETTINGS_FILE]: 'what Kafka clients had set must be set again: configs that are only shown, quotas, credentials, ACLs',
}

interface Planned {
  readonly repair: LogRepair
  readonly found: FoundLog
  readonly partitions: readonly PartitionRepair[]
  /** Files of the log as a whole to be set aside. */
  readonly moved: readonly string[]
  readonly markDamaged: boolean
}

async function plan(files: FileSystem, folder: string, { clock, onProgress, apply: alone }: RepairLogOptions): Promise<Planned> {
  const before = await verifyLog(files, folder, { clock, onProgress, alone })
  const found = findLog(files, folder, { clock, alone })
  const partitions = found.partitions.flatMap((one) => {
    const report = before.partitions.find(({ topic, partition }) => topic === one.topic && partition === one.partition)
    return report === undefined ? [] : [planRepair(files, { ...one, clock, following: before.writer !== undefined }, report)]
  })
  const steps: RepairStep[] = []
  const moved: string[] = []
  const left: string[] = []
  let markDamaged = false
  for (const path of new Set(before.findings.filter(({ kind }) => kind === 'damage').map((finding) => finding.path))) {
    const name = path.split(/[\\/]/).at(-1)!
    const step = (message: string): void => void steps.push({ path, position: undefined, message })
    if ((markFileNames as readonly string[]).includes(name)) {
      markDamaged = true
      step('set aside and written again')
    } else if (files.statSync(path)?.kind === 'file') {
      moved.push(path)
      step(`set aside; ${wholeFiles[name] ?? 'what it said is lost'}`)
    } else left.push(before.findings.find((finding) => finding.path === path)!.message)
  }
  return { repair: { before, steps: [...steps, ...partitions.flatMap((one) => one.steps)], left }, found, partitions, moved, markDamaged }
}

async function carryOut(files: FileSystem, folder: string, options: RepairLogOptions, planned: Planned): Promise<void> {
  const { found, partitions, moved, markDamaged } = planned
  for (const path of moved) setAside(files, folder, path)
  if (markDamaged) await writeMarkAgain(files, folder, options, found)
  // A folder that Kafka wrote and we never opened gets no mark by a repair.
  const marked = markDamaged || found.partitions.some(({ state }) => state !== undefined)
  const mark = marked ? await Mark.open(files, folder, options.clock) : Mark.openReadOnly(files, folder, options.clock)
  const env = toolEnvironment(files, folder, { clock: options.clock, random: options.random, mark })
  try {
    for (const repair of partitions) {
      if (repair.steps.length === 0) continue
      const settings = found.catalog?.topics.find(({ name }) => name === repair.options.topic)?.settings ?? {}
      await applyRepair(env, resolveSettings({}, settings), repair)
    }
    if (files.durable) await files.syncFolder(folder)
  } finally {
    if (marked) await mark.close()
    env.openFiles.closeAll()
  }
}

/** Makes the mark anew beside the old one, which counts until the new one takes its place. */
async function writeMarkAgain(files: FileSystem, folder: string, { clock }: RepairLogOptions, { partitions }: FoundLog): Promise<void> {
  for (const name of markFileNames) {
    const path = files.join(folder, name)
    if (files.statSync(path) !== undefined) await files.copy(path, files.join(folder, tornName(files, folder, name)))
  }
  const beside = files.join(folder, 'repair-mark')
  await files.remove(beside)
  await createFolderDurably(files, beside)
  const mark = await Mark.open(files, beside, clock)
  try {
    for (const { topicId, partition, state } of partitions) {
      if (topicId !== undefined && state !== undefined) mark.slot(topicId, partition).write(state)
    }
  } finally {
    await mark.close()
  }
  for (const name of markFileNames) files.renameSync(files.join(beside, name), files.join(folder, name))
  await files.remove(beside)
  if (files.durable) await files.syncFolder(folder)
}

function setAside(files: FileSystem, folder: string, path: string): void {
  if (files.statSync(path) !== undefined) files.renameSync(path, files.join(folder, tornName(files, folder, path.split(/[\\/]/).at(-1)!)))
}
