/*
 * The folders of the simulated disk: which entries are certainly stored, which changes of entries are not yet, and what of those a power
 * cut may leave. Files are opaque here.
 *
 * The model: a change of one entry, and a rename with both of its ends, happens whole or not at all; changes that share a name happen in
 * their order; others in any. A folder whose own entry is lost takes everything in it along.
 */
import { type Random } from '../base/random.ts'
import { type EntryChange, FolderNode, setEntry } from '../files/folder-tree.ts'

/** How a power cut treats unsynced entries. Each kind is legal; together they reach every legal state. */
export const entryStyles = ['all', 'none', 'prefix', 'any'] as const
export type EntryStyle = (typeof entryStyles)[number]

interface Change<F> {
  readonly number: number
  readonly parts: readonly EntryChange<F>[]
  forgotten: boolean       // a sync of it failed: later ones do not store it either
}
type Entries<F> = Map<string, F | FolderNode<F>>

/** The entries of all folders of one disk, as the disk holds them. */
export class StoredEntries<F> {
  readonly #stored = new Map<FolderNode<F>, Entries<F>>()
  #changes: Change<F>[] = []
  #count = 0

  /** Takes note of what one verb changed. */
  changed(parts: readonly EntryChange<F>[]): void {
    this.#changes.push({ number: this.#count++, parts, forgotten: false })
  }

  /** Where a sync that begins now ends. */
  get changeCount(): number {
    return this.#count
  }

  /** A sync of `folder` that began at `mark` succeeded: what touches the folder is stored, and what must come before that. */
  synced(folder: FolderNode<F>, mark: number): void {
    const covered = this.#covered(folder, mark)
    for (const change of covered) this.#store(change)
    this.#changes = this.#changes.filter((change) => !covered.includes(change))
  }

  /** A sync of `folder` that began at `mark` failed. */
  syncFailed(folder: FolderNode<F>, mark: number): void {
    for (const change of this.#covered(folder, mark)) change.forgotten = true
  }

  /** The tree as it certainly is on the disk, with those unsynced changes that `random` keeps; `copy` makes the files of the new tree. */
  afterPowerCut(root: FolderNode<F>, random: Random, style: EntryStyle, copy: (file: F) => F): { root: FolderNode<F>; entries: StoredEntries<F> } {
    const left = this.#fork()
    for (const change of left.#drawKept(random, style)) left.#store(change)
    left.#changes = []
    const made = new Map<F | FolderNode<F>, F | FolderNode<F>>()
    const entries = new StoredEntries<F>()
    return { root: rebuild(root, (folder) => left.#of(folder), { made, copy, entries }), entries }
  }

  /** The same changes and entries over the tree that `made` leads to: after the process was killed and the system lived on. */
  afterKill(made: ReadonlyMap<F | FolderNode<F>, F | FolderNode<F>>, copy: (file: F) => F): StoredEntries<F> {
    const entries = new StoredEntries<F>()
    const all = new Map(made)
    const translate = (node: F | FolderNode<F>): F | FolderNode<F> => {
      const known = all.get(node) ?? (node instanceof FolderNode ? new FolderNode<F>() : copy(node))
      all.set(node, known)
      return known
    }
    for (const [folder, stored] of this.#stored) {
      entries.#stored.set(translate(folder) as FolderNode<F>, new Map([...stored].map(([name, node]) => [name, translate(node)])))
    }
    entries.#changes = this.#changes.map((change) => ({
      ...change,
      parts: change.parts.map(({ folder, name, node }) => ({
        folder: translate(folder) as FolderNode<F>, name, node: node === undefined ? undefined : translate(node),
      })),
    }))
    entries.#count = this.#count
    return entries
  }

  /** What `name` in `folder` certainly is on the disk. */
  storedEntry(folder: FolderNode<F>, name: string): F | FolderNode<F> | undefined {
    return this.#of(folder).get(name)
  }

  /** Everything is on the disk now. */
  settle(): void {
    for (const change of this.#changes.splice(0)) this.#store(change)
  }

  #of(folder: FolderNode<F>): Entries<F> {
    let entries = this.#stored.get(folder)
    if (entries === undefined) this.#stored.set(folder, (entries = new Map()))
    return entries
  }

  #store(change: Change<F>): void {
    for (const { folder, name, node } of change.parts) setEntry({ entries: this.#of(folder) }, name, node)
  }

  #covered(folder: FolderNode<F>, mark: number): Change<F>[] {
    const covered: Change<F>[] = []
    const names = new NameSet<F>()
    for (const change of this.#changes.toReversed()) {
      if (change.number >= mark) continue
      const asked = !change.forgotten && change.parts.some((part) => part.folder === folder)
      if (!asked && !names.hasSome(change)) continue
      covered.push(change)
      names.add(change)
    }
    return covered.reverse()
  }

  #drawKept(random: Random, style: EntryStyle): Change<F>[] {
    const count = style === 'none' ? 0 : style === 'prefix' ? random.int(this.#changes.length + 1) : this.#changes.length
    const chance = style === 'any' ? 0.2 + 0.6 * random.next() : 1
    const dropped = new NameSet<F>()
    return this.#changes.filter((change, index) => {
      const likely = change.forgotten ? chance / 4 : chance
      const kept = index < count && random.next() < likely && !dropped.hasSome(change)
      if (!kept) dropped.add(change)
      return kept
    })
  }

  #fork(): StoredEntries<F> {
    const fork = new StoredEntries<F>()
    for (const [folder, entries] of this.#stored) fork.#stored.set(folder, new Map(entries))
    fork.#changes = [...this.#changes]
    return fork
  }
}

/** Names in folders. */
class NameSet<F> {
  readonly #names = new Map<FolderNode<F>, Set<string>>()

  add(change: Change<F>): void {
    for (const { folder, name } of change.parts) {
      const names = this.#names.get(folder)
      if (names === undefined) this.#names.set(folder, new Set([name]))
      else names.add(name)
    }
  }

  hasSome(change: Change<F>): boolean {
    return change.parts.some(({ folder, name }) => this.#names.get(folder)?.has(name) === true)
  }
}

interface Rebuilding<F> {
  readonly made: Map<F | FolderNode<F>, F | FolderNode<F>>
  readonly copy: (file: F) => F
  readonly entries: StoredEntries<F>
}

function rebuild<F>(folder: FolderNode<F>, entriesOf: (folder: FolderNode<F>) => Entries<F>, to: Rebuilding<F>): FolderNode<F> {
  const result = new FolderNode<F>()
  to.made.set(folder, result)
  for (const [name, node] of entriesOf(folder)) {
    const made = to.made.get(node) ?? (node instanceof FolderNode ? rebuild(node, entriesOf, to) : to.copy(node))
    to.made.set(node, made)
    result.entries.set(name, made)
    to.entries.changed([{ folder: result, name, node: made }])
  }
  to.entries.settle()
  return result
}
