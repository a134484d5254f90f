import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { type FetchRequest } from '../../src/kafka/apis/01-fetch.ts'
import { type Cluster } from '../../src/kafka/cluster.ts'
import { FetchSessions, MAX_SESSION_PARTITIONS } from '../../src/kafka/fetch-sessions.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const SAFE_MS = 120_000

test('there are so many sessions and no more: one that is new takes the place of one that was not used for long', async () => {
  const { clock, begin, goOn, sessions } = withRoomFor(2)
  const first = begin(1)
  const second = begin(1)
  expect([begin(9), sessions.size]).toEqual([0, 2])
  await clock.advance(SAFE_MS)
  expect(goOn(second, 1)).toBe('NONE')
  await clock.advance(1)
  expect(begin(1)).toBeGreaterThan(0)
  expect([goOn(first, 1), goOn(second, 2)]).toEqual(['FETCH_SESSION_ID_NOT_FOUND', 'NONE'])
})

test('an old session that holds less makes room for one that holds more', async () => {
  const { clock, begin, goOn, sessions } = withRoomFor(2)
  const large = begin(5)
  const small = begin(2)
  await clock.advance(SAFE_MS + 1)
  for (const session of [large, small]) goOn(session, 1)
  expect(begin(2)).toBe(0)
  expect(begin(3)).toBeGreaterThan(0)
  expect([goOn(small, 2), goOn(large, 2), sessions.size]).toEqual(['FETCH_SESSION_ID_NOT_FOUND', 'NONE', 2])
})

test('sessions have so many partitions in all and no more', () => {
  const { begin, goOn } = withRoomFor(10)
  const most = begin(MAX_SESSION_PARTITIONS - 10)
  expect(begin(11)).toBe(0)
  expect(begin(10)).toBeGreaterThan(0)
  const later = begin(0)
  expect(goOn(later, 1, 1)).toBe('FETCH_SESSION_ID_NOT_FOUND')
  expect(goOn(most, 1)).toBe('NONE')
})

function withRoomFor(limit: number) {
  const clock = new ManualClock()
  const sessions = new FetchSessions(clock, seededRandom(1), limit)
  const cluster = {} as Cluster
  const request = (sessionId: number, sessionEpoch: number, count: number): FetchRequest => ({
    sessionId, sessionEpoch, forgottenTopicsData: [], topics: [{
      topic: 't', topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
      partitions: Array.from({ length: count }, (_, partition) => ({
        partition, fetchOffset: 0, partitionMaxBytes: 1, currentLeaderEpoch: -1, lastFetchedEpoch: -1,
      })),
    }],
  }) as unknown as FetchRequest
  return {
    clock, sessions,
    begin(count: number): number {
      const context = sessions.begin(request(0, 0, count), 11, cluster)
      const fetched = [...context.wanted].map((wanted) => ({
        wanted, answer: { partitionIndex: wanted.partition, errorCode: 0, highWatermark: 0, records: null },
      }))
      return context.respond(fetched).sessionId
    },
    goOn: (id: number, epoch: number, more = 0): string => sessions.begin(request(id, epoch, more), 11, cluster).error,
  }
}
