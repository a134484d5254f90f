/*
 * What is on a simulated disk at one moment, and what a crash makes of it: the death of a process keeps all that was written, and any part of
 * the writes under way; a power cut then takes back, tears or keeps what was not synced. Which states that may leave is told in
 * simulated-file.ts (bytes and lengths) and simulated-entries.ts (names).
 */
import { type Random } from '../base/random.ts'
import { Budget } from '../files/contents.ts'
import { FolderNode, FolderTree } from '../files/folder-tree.ts'
import { type Interrupted } from './disk-calls.ts'
import { entryStyles, StoredEntries } from './simulated-entries.ts'
import { powerCutStyles, SimulatedFile } from './simulated-file.ts'

/** What one process hands on to the next. */
export interface DiskState {
  readonly tree: FolderTree<SimulatedFile>
  readonly entries: StoredEntries<SimulatedFile>
  readonly budget: Budget
  /** What the last crash did. */
  readonly notes: readonly string[]
}

/** A disk with nothing on it, and room for so many bytes. */
export function emptyState(capacity: number): DiskState {
  return { ...treeOf(new FolderNode(), new StoredEntries()), budget: new Budget(capacity), notes: [] }
}

/** What the process leaves when it dies with these writes under way: the system goes on and keeps what was written. */
export function afterKill({ tree, entries, budget }: DiskState, interrupted: readonly Interrupted[], random: Random): DiskState {
  const budgetLeft = new Budget(budget.capacity)
  const made = new Map<SimulatedFile | FolderNode<SimulatedFile>, SimulatedFile | FolderNode<SimulatedFile>>()
  const root = copyFolder(tree.root, made, (file) => file.fork(budgetLeft))
  for (const { file, buffer, at, length, position } of interrupted) {
    const copy = made.get(file as SimulatedFile)
    if (copy instanceof SimulatedFile) copy.write(buffer, at, random.int(length + 1), position)
  }
  const entriesLeft = entries.afterKill(made, (file) => file.fork(new Budget(Infinity)))
  return { ...treeOf(root, entriesLeft), budget: budgetLeft, notes: ['the process was killed'] }
}

/**
 * What the disk holds when the power is cut. Often one style holds for the whole disk, since a power cut that keeps or loses everything is
 * likely, and easy to read in a report.
 */
export function afterPowerCut(state: DiskState, random: Random): DiskState {
  const budget = new Budget(state.budget.capacity)
  const common = random.next() < 0.4 ? drawn(powerCutStyles, random) : undefined
  const entryStyle = drawn(entryStyles, random)
  const notes = [`the power was cut; entries: ${entryStyle}`]
  const copy = (file: SimulatedFile): SimulatedFile => {
    const style = common ?? drawn(powerCutStyles, random)
    const left = file.afterPowerCut(budget, random, style)
    const before = `${file.storedSize} bytes stored, ${file.cache.size} in the cache`
    if (file.changed) notes.push(`a file with ${before}: ${left.cache.size} left (${style})`)
    return left
  }
  const left = state.entries.afterPowerCut(state.tree.root, random, entryStyle, copy)
  return { ...treeOf(left.root, left.entries), budget, notes }
}

function treeOf(root: FolderNode<SimulatedFile>, entries: StoredEntries<SimulatedFile>): Pick<DiskState, 'tree' | 'entries'> {
  return { tree: new FolderTree((changes) => entries.changed(changes), root), entries }
}

function copyFolder<F>(folder: FolderNode<F>, made: Map<F | FolderNode<F>, F | FolderNode<F>>, copy: (file: F) => F): FolderNode<F> {
  const result = new FolderNode<F>()
  made.set(folder, result)
  for (const [name, node] of folder.entries) {
    const copied = node instanceof FolderNode ? copyFolder(node, made, copy) : copy(node)
    made.set(node, copied)
    result.entries.set(name, copied)
  }
  return result
}

function drawn<T>(list: readonly T[], random: Random): T {
  return list[random.int(list.length)]!
}
