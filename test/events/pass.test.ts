import { expect, test } from 'vitest'
import { eventStore } from '../../src/events/event-store.ts'
import { type EventTaker, Pass } from '../../src/events/pass.ts'
import { partsOf } from '../../src/events/store-parts.ts'
import { type RecordedEvent } from '../../src/events/types.ts'
import { memoryLog } from '../topics/harness.ts'

type Said = { readonly type: 'Said'; readonly data: number }

/** Takes events, each when `ready` has resolved. */
class Hearer implements EventTaker<Said> {
  position = 0
  readonly failure = undefined
  readonly heard: number[] = []
  ready: Promise<void> | undefined

  take({ position, data }: RecordedEvent<Said>): boolean | Promise<boolean> {
    if (position < this.position) return true
    this.position = position + 1
    this.heard.push(data)
    return this.ready === undefined ? true : this.ready.then(() => true)
  }

  reached(position: number): void {
    this.position = Math.max(this.position, position)
  }

  settle(): undefined {}
}

test('one who is removed while another is awaited is handed nothing more: he may stand elsewhere', async () => {
  const store = await eventStore<Said>(await memoryLog(), { category: 'said' })
  await store.append('a', [1, 2, 3].map((data) => ({ type: 'Said' as const, data })))
  const { partition, clock } = partsOf(store)
  const [slow, removed] = [new Hearer(), new Hearer()]
  let go = (): void => {}
  slow.ready = new Promise((resolve) => { go = resolve })
  const pass = new Pass<Said>({ store, partition, clock }, [slow, removed], () => slow.heard.length === 3)
  const read = pass.start()
  await expect.poll(() => slow.heard).toEqual([1])
  pass.remove(removed)
  go()
  await read
  expect([slow.heard, removed.heard]).toEqual([[1, 2, 3], []])
})
