/*
 * Whether a handle is still open, and who wants to know when it ends. A handle also ends with the one it came from: a consumer with its
 * topic, a topic with its log. Nothing is registered with a parent but what waits at the moment, so handles that are simply dropped cost
 * nothing.
 */
import { LogError } from '../base/errors.ts'

/** The life of one handle. */
export class Life {
  /** Closed by itself; `alive` also asks those above. */
  private open = true
  private readonly what: string
  private readonly parent: Life | undefined
  private readonly ending = new Set<() => void>()

  /** @param what  names the handle in errors: `topic "orders"` */
  constructor(what: string, parent?: Life) {
    this.what = what
    this.parent = parent
  }

  get alive(): boolean {
    for (let life: Life | undefined = this; life !== undefined; life = life.parent) if (!life.open) return false
    return true
  }

  /** Throws LOG_CLOSED, naming what was closed. */
  check(): void {
    if (!this.alive) throw this.closedError()
  }

  /** The error of a call on a handle that is closed. */
  closedError(): LogError {
    const { what } = this.open && this.parent !== undefined ? this.parent.closed() : this
    return new LogError('LOG_CLOSED', `${what} is closed`, { closed: what })
  }

  /** Calls `ended` when this handle or one above it ends; gives the function that takes it back. */
  onEnd(ended: () => void): () => void {
    for (let life: Life | undefined = this; life !== undefined; life = life.parent) life.ending.add(ended)
    return () => {
      for (let life: Life | undefined = this; life !== undefined; life = life.parent) life.ending.delete(ended)
    }
  }

  /** Ends the handle; a second call does nothing. */
  end(): void {
    if (!this.open) return
    this.open = false
    for (const ended of [...this.ending]) ended()
    this.ending.clear()
  }

  private closed(): Life {
    return !this.open || this.parent === undefined ? this : this.parent.closed()
  }
}
