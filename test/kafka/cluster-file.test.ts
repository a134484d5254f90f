import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { CLUSTER_SETTINGS_FILE, decodeClusterSettings, encodeClusterSettings } from '../../src/format/cluster-settings.ts'
import { encodeSideFile } from '../../src/format/side-file.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { readFileSync, writeFileAtomically } from '../../src/files/write-fully.ts'
import { ClusterFile } from '../../src/kafka/cluster-file.ts'
import { copyLog } from '../../src/topics/backup.ts'
import { repairLog } from '../../src/topics/repair-log.ts'
import { verifyLog } from '../../src/topics/verify-log.ts'
import { openCore } from '../topics/groups/harness.ts'

const corrupt: unknown = expect.objectContaining({ name: 'LogError', code: 'LOG_FILE_CORRUPT' })

test('what is set is there at once and after a reopen, and nothing else is', async () => {
  const files = new MemoryFileSystem()
  const core = await openCore({ files })
  const kept = ClusterFile.of(core)
  expect(kept.get('quotas')).toBeUndefined()
  await kept.set('quotas', [{ a: 1 }, null, 'x'])
  await kept.set('acls', { constructor: true, __proto__: [1] })
  await kept.set('scram', {})
  await kept.set('scram', undefined)
  expect(kept.get('quotas')).toEqual([{ a: 1 }, null, 'x'])
  await core.close()

  const again = ClusterFile.of(await openCore({ files }))
  expect(again.get('quotas')).toEqual([{ a: 1 }, null, 'x'])
  expect(again.get('scram')).toBeUndefined()
})

test('all that ask for a log get the same', async () => {
  const core = await openCore()
  expect(ClusterFile.of(core)).toBe(ClusterFile.of(core))
})

test('changes come one after the other, and one that throws changes nothing', async () => {
  const kept = ClusterFile.of(await openCore())
  const add = (): Promise<void> => kept.change('quotas', (value) => Number(value ?? 0) + 1)
  const failing = kept.change('quotas', () => { throw new RangeError('no') })
  await Promise.all([add(), add(), expect(failing).rejects.toThrow('no'), add()])
  expect(kept.get('quotas')).toBe(3)
})

test('a section that is not known is kept as it is', async () => {
  const files = new MemoryFileSystem()
  const core = await openCore({ files })
  const path = files.join(core.folder, CLUSTER_SETTINGS_FILE)
  await writeFileAtomically(files, path, encodeClusterSettings(new Map([['of-later', [1]]])))
  await ClusterFile.of(core).set('acls', [2])
  const bytes = readFileSync(files, path, 1000)
  expect(Object.fromEntries(decodeClusterSettings(bytes!, path))).toEqual({ 'of-later': [1], acls: [2] })
})

test('more than 16 MiB is refused, and what was there stays', async () => {
  const kept = ClusterFile.of(await openCore())
  await kept.set('quotas', 1)
  await expect(kept.set('quotas', 'x'.repeat(17 * 1024 * 1024))).rejects.toMatchObject({ code: 'LOG_POLICY_VIOLATION' })
  expect(kept.get('quotas')).toBe(1)
})

test('what is no object is damage', () => {
  const file = (text: string): Buffer => encodeSideFile('CLST', { major: 1, minor: 0 }, Buffer.from(text))
  for (const text of ['', 'nonsense', '[]', 'null', '3']) expect(() => decodeClusterSettings(file(text), 'a file')).toThrow(corrupt)
  expect(() => decodeClusterSettings(encodeSideFile('CLST', { major: 2, minor: 0 }, Buffer.from('{}')), 'a file'))
    .toThrow(expect.objectContaining({ code: 'LOG_VERSION_UNSUPPORTED' }))
})

test('a copy of the log has what was set, and damage to it is found and set aside', async () => {
  const files = new MemoryFileSystem()
  const core = await openCore({ files, clock: systemClock })
  await ClusterFile.of(core).set('acls', ['all of them'])
  await core.close()
  const options = { clock: systemClock, random: systemRandom }
  await copyLog(files, core.folder, '/copy', options)
  const copied = await openCore({ files, folder: '/copy', clock: systemClock })
  expect(ClusterFile.of(copied).get('acls')).toEqual(['all of them'])

  const path = files.join(core.folder, CLUSTER_SETTINGS_FILE)
  const bytes = readFileSync(files, path, 1000)!
  bytes[bytes.length - 3]! ^= 1
  await writeFileAtomically(files, path, bytes)
  const damaged = await openCore({ files, clock: systemClock })
  expect(() => ClusterFile.of(damaged)).toThrow(corrupt)
  await damaged.close()
  expect((await verifyLog(files, core.folder, options)).findings).toMatchObject([{ kind: 'damage', path }])
  await repairLog(files, core.folder, { ...options, apply: true })
  expect(ClusterFile.of(await openCore({ files, clock: systemClock })).get('acls')).toBeUndefined()
})
