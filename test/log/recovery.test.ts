import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { readFileSync, writeFullySync } from '../../src/files/write-fully.ts'
import { openLog, textCodecs } from './harness.ts'

const returned = '/log/t-0/00000000000000000003.log'

test('a segment that was cut away and came back is set aside, and the log goes on behind its end', async () => {
  const files = new MemoryFileSystem()
  files.createFolderSync('/log')
  const { log } = await openLog(files, '/log')
  const append = (value: string): number => log.append(textCodecs, { value })
  for (const value of ['a', 'b', 'c']) append(value)
  await log.roll()
  for (const value of ['d', 'e', 'f']) append(value)
  await log.flush()
  const bytes = readFileSync(files, returned, 10_000)!
  await log.truncateTo(0)
  for (const value of ['1', '2', '3', '4', '5']) append(value)
  await log.flush()

  const later = files.fork()
  expect(later.statSync(returned)).toBeUndefined()
  const file = later.openSync(returned, 'create')
  writeFullySync(file, bytes, 0, bytes.length, 0)
  file.closeSync()
  const again = await openLog(later, '/log')
  expect([...again.log.read(textCodecs)].map(({ offset, value }) => [offset, value])).toEqual([[0, '1'], [1, '2'], [2, '3'], [3, '4'], [4, '5']])
  expect(again.log.append(textCodecs, { value: '6' })).toBe(5)
  expect(later.listSync('/log/t-0')).toContain('torn-00000000000000000003')
  await again.close()
})
