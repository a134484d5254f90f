/*
 * Mistakes that somebody could make in the log, each as a change of one line of its source. The simulation is only worth its time if it
 * finds every one of them (planted-faults.test.ts).
 */

/** One mistake: what stands in the source, once, and what would stand there instead. */
export interface PlantedFault {
  readonly mistake: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Whose lives find it: the file of the simulation. Default `simulate.ts`. */
  readonly lives?: 'transactions.ts' | 'compacting.ts' | 'groups.ts' | '../events/simulation.ts'
  /** The first of them, where many from 1 on go well: a life not far behind it is known to find it. */
  readonly seed?: number
}

export const plantedFaults: readonly PlantedFault[] = [
  {
    mistake: 'appends are acknowledged before their sync',
    file: 'log/rounds.ts',
    find: 'if (this.#synchronous && !(await this.#sync())) break',
    replace: 'if (this.#synchronous) void this.#sync()',
  },
  {
    mistake: 'the entry of a new segment in the folder is not synced',
    file: 'log/rounds.ts',
    find: 'if (!active.entrySynced) jobs.push(env.syncs.run(() => env.files.syncFolder(folder)))',
    replace: '',
  },
  {
    mistake: 'the mark says that a round is synced before it is',
    file: 'log/rounds.ts',
    find: 'const started = env.clock.monotonic()',
    replace: 'const started = env.clock.monotonic(); this.#watermarks.moveSynced(active.baseOffset, size, nextOffset); this.#watermarks.write(false)',
  },
  {
    mistake: 'a sync that failed is tried again',
    file: 'log/rounds.ts',
    find: 'await env.syncs.run(() => active.handle.sync())',
    replace: 'await env.syncs.run(() => active.handle.sync().catch(() => active.handle.sync()))',
  },
  {
    mistake: 'readers see what is not acknowledged',
    file: 'log/partition-log.ts',
    find: 'get highWatermark(): number {\n    return this.durableOffset',
    replace: 'get highWatermark(): number {\n    return this.nextOffset',
  },
  {
    mistake: 'a cut takes one batch too many',
    file: 'log/partition-log.ts',
    find: 'last.truncate(last.batchStart(nextOffset)?.position',
    replace: 'last.truncate(last.batchStart(nextOffset - 1)?.position',
  },
  {
    mistake: 'offsets that were given out are given out again after a fence',
    file: 'log/partition-log.ts',
    find: 'Math.max(nextOffset, found.nextOffset)',
    replace: 'found.nextOffset',
  },
  {
    mistake: 'a cut does not lower the mark first',
    file: 'log/partition-log.ts',
    find: 'await this.#lowerMark(place, nextOffset)',
    replace: '',
  },
  {
    mistake: 'what a cut takes away is not synced',
    file: 'log/partition-log.ts',
    find: 'await this.#env.syncs.run(() => last.handle.sync())',
    replace: '',
  },
  {
    mistake: 'recovery believes batches without their checksum',
    file: 'log/recovery.ts',
    find: 'to: segment.fileSize, checkCrc: true',
    replace: 'to: segment.fileSize, checkCrc: false',
  },
  {
    mistake: 'recovery leaves a torn tail where it is',
    file: 'log/recovery.ts',
    find: 'room <= env.roomAheadBytes)) segment.cutToSize()',
    replace: 'room <= env.roomAheadBytes)) continue',
  },
  {
    mistake: 'recovery does not write again what a failed sync may have made the system forget',
    file: 'log/recovery.ts',
    find: 'rewrite(segment.handle, from, segment.size)',
    replace: '',
  },
  {
    mistake: 'recovery goes on behind a segment that lost its end',
    file: 'log/recovery.ts',
    find: 'segment.baseOffset !== found.nextOffset) {',
    replace: 'segment.baseOffset < found.nextOffset) {',
  },
  {
    mistake: 'no new epoch begins after a crash',
    file: 'log/open-partition.ts',
    find: 'latest >= 0 ? latest : latest + 1',
    replace: 'latest >= 0 ? latest : Math.max(latest, 0)',
  },
  {
    mistake: 'the mark is not synced after a recovery',
    file: 'log/open-partition.ts',
    find: 'if (options.create || !end.report.clean) await env.mark.sync()',
    replace: '',
    seed: 165,
  },
  {
    mistake: 'an older word of the mark is believed',
    file: 'log/mark.ts',
    find: 'if (sequence <= (known?.sequence ?? 0)) continue',
    replace: '',
  },
  {
    mistake: 'nobody looks whether the lock is still ours',
    file: 'log/rounds.ts',
    find: 'lock.confirmed || (await lock.confirm())',
    replace: 'true',
  },
  {
    mistake: 'a flush with relaxed durability does not sync',
    file: 'log/writer.ts',
    find: 'if (this.#rounds.isBehind) await this.#rounds.syncNow()',
    replace: '',
  },
  {
    mistake: 'records of aborted transactions are handed out',
    file: 'log/read-committed.ts',
    find: "last.lastOffset ? 'skip' : 'deliver'",
    replace: "last.lastOffset ? 'deliver' : 'deliver'",
  },
  {
    mistake: 'a batch that is sent again is stored again',
    file: 'log/producer-rules.ts',
    find: "const before = origin === 'client' ? retained(known, batch) : undefined",
    replace: 'const before = undefined as ReturnType<typeof retained>',
  },
  {
    mistake: 'index entries of what was cut stay',
    file: 'log/segment-indexes.ts',
    find: 'this.offsets.truncateTo(nextOffset)\n    this.times.truncateTo(nextOffset)',
    replace: '',
  },
  {
    mistake: 'records that a full disk did not take are called durable',
    file: 'log/writer.ts',
    find: 'this.#waiters.fail(offset, error)',
    replace: 'this.#waiters.acknowledge(this.#nextOffset)',
  },
  {
    mistake: 'records that nobody waited for are lost without a word',
    file: 'log/writer.ts',
    find: "this.#losses.untold = new LogError('LOG_APPEND_LOST'",
    replace: "void new LogError('LOG_APPEND_LOST'",
  },
  {
    mistake: 'a programming error takes the way of a failed write',
    file: 'log/segment.ts',
    find: 'writeFullySync(this.handle, buffer, from, to, this.size)',
    replace: 'writeFullySync(this.handle, buffer, from, to, this.size === 77 ? (undefined as unknown as { at: number }).at : this.size)',
  },
  {
    mistake: 'a commit is decided before its records are stored',
    file: 'topics/transactions/local-transactions.ts',
    find: '      await log.durable(part.lastOffset)\n',
    replace: '      log.durable(part.lastOffset).catch(() => {})\n',
    lives: 'transactions.ts',
  },
  {
    mistake: 'that a commit is decided is not stored',
    file: 'topics/transactions/state-log.ts',
    find: 'await log.durable(appended(',
    replace: 'void (appended(',
    lives: 'transactions.ts',
  },
  {
    mistake: 'what a crash left open is not aborted at open',
    file: 'topics/transactions/resolve.ts',
    find: 'if (unresolved.length === 0) return',
    replace: 'return',
    lives: 'transactions.ts',
  },
  {
    mistake: 'what was decided is aborted at open',
    file: 'topics/transactions/resolve.ts',
    find: 'listed === true && ',
    replace: 'false && ',
    lives: 'transactions.ts',
  },
  {
    mistake: 'a commit that may be stored is aborted before it is taken back',
    file: 'topics/transactions/local-transactions.ts',
    find: 'void this.#track(this.#takeBack(transaction))',
    replace: 'void this.#track(this.#abort(transaction))',
    lives: 'transactions.ts',
    seed: 285,
  },
  {
    mistake: 'a transaction that lost records is committed',
    file: 'topics/transactions/local-transactions.ts',
    find: 'if (part.lost !== undefined) throw part.lost\n    return log.durable',
    replace: 'return log.durable',
    lives: 'transactions.ts',
  },
  {
    mistake: 'segments of a cleaning count before their names are durable',
    file: 'log/segment-swap.ts',
    find: 'this.#rename(cleaned[kind], swap[kind])\n    await this.#syncFolder()',
    replace: 'this.#rename(cleaned[kind], swap[kind])',
    lives: 'compacting.ts',
    seed: 140,
  },
  {
    mistake: 'segments of a cleaning take the place of others before they are synced',
    file: 'log/cleaned-segment.ts',
    find: 'if (this.#env.files.durable) for (const file of files) await this.#env.syncs.run(() => file.sync())',
    replace: '',
    lives: 'compacting.ts',
  },
  {
    mistake: 'the mark speaks of segments that a cleaning takes away',
    file: 'log/cleaner.ts',
    find: 'await writer.settleMark()',
    replace: '',
    lives: 'compacting.ts',
  },
  {
    mistake: 'tombstones go before anybody could see them',
    file: 'log/cleaner-filter.ts',
    find: 'this.#tombstonesStay = !horizonPassed',
    replace: 'this.#tombstonesStay = false',
    lives: 'compacting.ts',
  },
  {
    mistake: 'records of aborted transactions take the place of others',
    file: 'log/cleaner.ts',
    find: 'else if (!transactions.data(header) && header.recordCount > 0)',
    replace: 'else if (header.recordCount > 0)',
    lives: 'compacting.ts',
  },
  {
    mistake: 'names that a cleaning changes are not synced',
    file: 'log/segment-swap.ts',
    find: 'await env.syncs.run(() => env.files.syncFolder(folder))',
    replace: '',
    lives: 'compacting.ts',
  },
  {
    mistake: 'the start of the log is acknowledged before it is durable',
    file: 'log/retention.ts',
    find: 'await writeLogStart(env.files, folder, offset)',
    replace: 'void writeLogStart(env.files, folder, offset).catch(() => {})',
  },
  {
    mistake: 'segments go that the mark still speaks of',
    file: 'log/retention.ts',
    find: 'await writer.settleMark()',
    replace: '',
    seed: 215,
  },
  {
    mistake: 'commits of groups are acknowledged before they are durable',
    file: 'topics/groups/offsets-log.ts',
    find: 'log.durable(baseOffset + part.records.length - 1)',
    replace: 'Promise.resolve()',
    lives: 'groups.ts',
  },
  {
    mistake: 'a commit does not say what is finished above it',
    file: 'topics/consume/lane.ts',
    find: 'return finished === undefined ? entry : { ...entry, finished }',
    replace: 'return entry',
    lives: 'groups.ts',
  },
  {
    mistake: 'a commit of a generation that is over counts',
    file: 'topics/groups/classic-group.ts',
    find: "if (generation !== this.generation) return 'ILLEGAL_GENERATION'\n      if (!transactional",
    replace: 'if (!transactional',
    lives: 'groups.ts',
  },
  {
    mistake: 'the record in hand is done when its loop is left',
    file: 'topics/groups/group-consumer.ts',
    find: 'const loop = this.#loop\n    this.#reading.putDown()',
    replace: 'const loop = this.#loop\n    this.#reading.finish()',
    lives: 'groups.ts',
  },
  {
    mistake: 'a partition that is revoked while a consumption stops is not drained',
    file: 'topics/consume/loop.ts',
    find: 'await this.drains.run(lanes, () => Math.min(deadline, this.stopBefore))',
    replace: "if (this.state === 'running') await this.drains.run(lanes, () => deadline)",
    lives: 'groups.ts',
  },
  {
    mistake: 'offsets of an aborted transaction count',
    file: 'topics/groups/offset-table.ts',
    find: 'if (!committed) return [...groups.keys()]',
    replace: '',
    lives: 'groups.ts',
  },
  {
    mistake: 'the index of streams is kept with appends that are not stored',
    file: 'events/checkpoint.ts',
    find: 'index.withoutPending(() => ({ offset: index.indexed, bytes: this.#encode() }))',
    replace: '({ offset: index.indexed, bytes: this.#encode() })',
    lives: '../events/simulation.ts',
  },
  {
    mistake: 'an append that failed is left in the index of streams',
    file: 'events/stream-index.ts',
    find: 'this.#takeBack(this.#undo.pop()!)',
    replace: 'this.#undo.pop()',
    lives: '../events/simulation.ts',
  },
  {
    mistake: 'what an append expects is checked against what is stored, and not against what was appended',
    file: 'events/stream-core.ts',
    find: "const version = slot < 0 ? 0 : index.table.version(slot)\n      const holds",
    replace: 'const version = slot < 0 || index.table.offset(slot) >= this.log.durableOffset ? 0 : index.table.version(slot)\n      const holds',
    lives: '../events/simulation.ts',
  },
]
