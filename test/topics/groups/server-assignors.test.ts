import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AssignorMember, type GroupAssignment } from '../../../src/topics/groups/assignors.ts'
import { serverAssignors } from '../../../src/topics/groups/server-assignors.ts'

const uniform = serverAssignors.get('uniform')!
const range = serverAssignors.get('range')!

const topics = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(9)), { maxLength: 4 }).map((list) => new Map(list))
const subscriptions = fc.array(fc.subarray(['a', 'b', 'c', 'd'], { minLength: 1 }), { minLength: 1, maxLength: 12 })

function membersOf(lists: readonly (readonly string[])[], counts: ReadonlyMap<string, number>, before?: GroupAssignment): AssignorMember[] {
  return lists.map((names, index) => ({
    memberId: `m${index}`, instanceId: index % 3 === 0 ? `i${index}` : null, topics: names.filter((name) => counts.has(name)),
    owned: before?.get(`m${index}`) ?? [], generation: 0,
  }))
}

function owners(assignment: GroupAssignment): Map<string, string> {
  const found = new Map<string, string>()
  for (const [memberId, lists] of assignment) {
    for (const { topic, partitions } of lists) {
      for (const partition of partitions) {
        expect(found.get(`${topic}-${partition}`), `${topic}-${partition}`).toBeUndefined()
        found.set(`${topic}-${partition}`, memberId)
      }
    }
  }
  return found
}

const sizes = (assignment: GroupAssignment): number[] => [...assignment.values()].map((lists) => (
  lists.reduce((sum, { partitions }) => sum + partitions.length, 0)
))

for (const [name, assign] of serverAssignors) {
  test(`${name} gives every partition that somebody reads to one member that reads it`, () => {
    fc.assert(fc.property(subscriptions, topics, (lists, counts) => {
      const members = membersOf(lists, counts)
      const given = owners(assign(members, counts))
      const read = new Set(members.flatMap((member) => member.topics))
      expect(given.size).toBe([...counts].reduce((sum, [topic, count]) => sum + (read.has(topic) ? count : 0), 0))
      const reads = new Map(members.map(({ memberId, topics: all }) => [memberId, new Set(all)]))
      for (const [partition, memberId] of given) expect(reads.get(memberId)!.has(partition.split('-')[0]!)).toBe(true)
    }))
  })
}

test('uniform shares evenly among members that read the same', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), topics, (count, counts) => {
    const shares = sizes(uniform(membersOf(Array.from({ length: count }, () => ['a', 'b', 'c', 'd']), counts), counts))
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
  }))
})

test('uniform decides the same again, and moves only what a newcomer gets', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), topics, (count, counts) => {
    const all = Array.from({ length: count }, () => ['a', 'b', 'c', 'd'])
    const before = uniform(membersOf(all, counts), counts)
    expect(owners(uniform(membersOf(all, counts, before), counts))).toEqual(owners(before))
    const after = uniform(membersOf([...all, ['a', 'b', 'c', 'd']], counts, before), counts)
    const [was, is] = [owners(before), owners(after)]
    const moved = [...is].filter(([partition, memberId]) => was.get(partition) !== memberId)
    expect(moved.every(([, memberId]) => memberId === `m${count}`)).toBe(true)
  }))
})

test('range gives the same partitions of topics of one size to one member, static members first', () => {
  const counts = new Map([['a', 5], ['b', 5]])
  const members = ['x', 'y', 'z'].map((memberId) => (
    { memberId, instanceId: memberId === 'z' ? 'first' : null, topics: ['a', 'b'], owned: [], generation: 0 }
  ))
  const given = range(members, counts)
  expect(given.get('z')).toEqual([{ topic: 'a', partitions: [0, 1] }, { topic: 'b', partitions: [0, 1] }])
  expect(given.get('x')).toEqual([{ topic: 'a', partitions: [2, 3] }, { topic: 'b', partitions: [2, 3] }])
  expect(given.get('y')).toEqual([{ topic: 'a', partitions: [4] }, { topic: 'b', partitions: [4] }])
})
