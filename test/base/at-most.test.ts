import { expect, test } from 'vitest'
import { settleAtMost } from '../../src/base/at-most.ts'

test('all items are worked on, no more at a time than told, and outcomes come in the order of the items', async () => {
  for (const [most, count] of [[1, 5], [3, 0], [3, 2], [3, 3], [3, 10]] as const) {
    let [underWay, largest] = [0, 0]
    const results = await settleAtMost(most, Array.from({ length: count }, (_, index) => index), async (item) => {
      largest = Math.max(largest, ++underWay)
      for (let turn = 0; turn <= (item * 7) % 5; turn++) await Promise.resolve()
      underWay--
      if (item === 1) throw new Error('one')
      return item * 2
    })
    expect(largest).toBe(Math.min(most, count))
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))))
      .toEqual(Array.from({ length: count }, (_, item) => (item === 1 ? 'Error: one' : item * 2)))
  }
})
