/*
 * Folders in memory: names to files of any kind. Says ENOENT, EEXIST, ENOTDIR, EISDIR and ENOTEMPTY as a disk does, and tells whoever
 * asks which entries changed; bytes are not its business.
 */
import { posix } from 'node:path'
import { systemError } from './system-error.ts'

/** One folder: its entries by name. */
export class FolderNode<F> {
  readonly entries = new Map<string, F | FolderNode<F>>()
}

/** One entry that came to be something else; `node` is undefined when it is gone. */
export interface EntryChange<F> {
  readonly folder: FolderNode<F>
  readonly name: string
  readonly node: F | FolderNode<F> | undefined
}

/** A tree of folders. Paths are joined by '/'; relative ones start at the root. */
export class FolderTree<F extends object> {
  readonly root: FolderNode<F>
  /** Told what one verb changed, all of it at once. */
  readonly #changed: (changes: readonly EntryChange<F>[]) => void

  constructor(changed: (changes: readonly EntryChange<F>[]) => void = () => {}, root = new FolderNode<F>()) {
    this.#changed = changed
    this.root = root
  }

  /** What is at `path`, or undefined. */
  find(path: string): F | FolderNode<F> | undefined {
    let node: F | FolderNode<F> | undefined = this.root
    for (const name of partsOf(path)) {
      if (!(node instanceof FolderNode)) return undefined
      node = node.entries.get(name)
    }
    return node
  }

  /** The file at `path`. */
  file(path: string, verb: string): F {
    const node = this.find(path)
    if (node === undefined) throw systemError('ENOENT', verb, path)
    if (node instanceof FolderNode) throw systemError('EISDIR', verb, path)
    return node
  }

  /** The folder at `path`. */
  folder(path: string, verb: string): FolderNode<F> {
    const node = this.find(path)
    if (node === undefined) throw systemError('ENOENT', verb, path)
    if (!(node instanceof FolderNode)) throw systemError('ENOTDIR', verb, path)
    return node
  }

  /** Adds a file where nothing is. */
  add(path: string, file: F, verb: string): void {
    const { folder, name } = this.#place(path, verb)
    if (folder.entries.has(name)) throw systemError('EEXIST', verb, path)
    this.#set([{ folder, name, node: file }])
  }

  /** Creates a folder and those above it; existing ones are no error. */
  addFolder(path: string): void {
    let folder = this.root
    for (const name of partsOf(path)) {
      const found = folder.entries.get(name)
      const next = found ?? new FolderNode<F>()
      if (!(next instanceof FolderNode)) throw systemError('EEXIST', 'mkdir', path)
      if (found === undefined) this.#set([{ folder, name, node: next }])
      folder = next
    }
  }

  /** Renames a file or folder in one step; a file goes over a file, a folder over an empty folder. Gives what it replaced. */
  rename(from: string, to: string): F | FolderNode<F> | undefined {
    const source = this.#place(from, 'rename')
    const target = this.#place(to, 'rename')
    const node = source.folder.entries.get(source.name)
    const replaced = target.folder.entries.get(target.name)
    if (node === undefined) throw systemError('ENOENT', 'rename', from)
    if (replaced === node) return undefined
    if (replaced instanceof FolderNode && !(node instanceof FolderNode)) throw systemError('EISDIR', 'rename', to)
    if (replaced !== undefined && node instanceof FolderNode && !(replaced instanceof FolderNode)) throw systemError('ENOTDIR', 'rename', to)
    if (replaced instanceof FolderNode && replaced.entries.size > 0) throw systemError('ENOTEMPTY', 'rename', to)
    if (`${absolute(to)}/`.startsWith(`${absolute(from)}/`)) throw systemError('EINVAL', 'rename', to)
    this.#set([{ ...source, node: undefined }, { ...target, node }])
    return replaced
  }

  /** Removes a file; gives it. */
  remove(path: string, verb: string): F {
    const file = this.file(path, verb)
    this.#set([{ ...this.#place(path, verb), node: undefined }])
    return file
  }

  /** Removes a file or a whole folder, the innermost first; gives the files. Nothing there is no error. */
  removeAll(path: string): F[] {
    const node = this.find(path)
    if (node === undefined) return []
    const removed: F[] = []
    if (node instanceof FolderNode) for (const name of [...node.entries.keys()]) removed.push(...this.removeAll(posix.join(path, name)))
    else removed.push(node)
    if (node !== this.root) this.#set([{ ...this.#place(path, 'rm'), node: undefined }])
    return removed
  }

  /** Every file with its absolute path, folder by folder, names in order. */
  *walk(folder: FolderNode<F> = this.root, path = '/'): Generator<readonly [path: string, file: F]> {
    for (const name of [...folder.entries.keys()].sort()) {
      const node = folder.entries.get(name)!
      if (node instanceof FolderNode) yield* this.walk(node, posix.join(path, name))
      else yield [posix.join(path, name), node]
    }
  }

  #place(path: string, verb: string): { folder: FolderNode<F>; name: string } {
    const parts = partsOf(path)
    const name = parts.pop()
    if (name === undefined) throw systemError('EISDIR', verb, path)
    return { folder: this.folder(`/${parts.join('/')}`, verb), name }
  }

  #set(changes: readonly EntryChange<F>[]): void {
    for (const { folder, name, node } of changes) setEntry(folder, name, node)
    this.#changed(changes)
  }
}

/** Makes `name` in `folder` stand for `node`, or for nothing. */
export function setEntry<F>(folder: FolderNode<F>, name: string, node: F | FolderNode<F> | undefined): void {
  if (node === undefined) folder.entries.delete(name)
  else folder.entries.set(name, node)
}

/** The one spelling of a path in a tree. */
export function absolute(path: string): string {
  // As nearly all are.
  if (path.startsWith('/') && !path.endsWith('/') && !path.includes('//') && !path.includes('/.')) return path
  return posix.resolve('/', path)
}

function partsOf(path: string): string[] {
  return absolute(path).split('/').filter((part) => part !== '')
}
