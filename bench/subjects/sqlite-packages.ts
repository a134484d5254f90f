/*
 * The two packages that speak SQLite, as much of them as the subjects use: node:sqlite of this Node, and better-sqlite3.
 */
type Value = number | string | Uint8Array

/** What both packages have. */
export interface Statement {
  run(...values: readonly Value[]): unknown
  all(...values: readonly Value[]): unknown[]
  get(...values: readonly Value[]): unknown
  iterate(): Iterable<unknown>
}

/** An open database. */
export interface Database {
  exec(sql: string): unknown
  prepare(sql: string): Statement
  close(): void
}

/** Opens a file by one of them. */
export type OpenDatabase = (path: string) => Promise<Database>

/** By the `node:sqlite` of this Node. */
export const openNodeSqlite: OpenDatabase = async (path) => {
  const { DatabaseSync } = await import('node:sqlite')
  return new DatabaseSync(path) as unknown as Database
}

/** By better-sqlite3. */
export const openBetterSqlite3: OpenDatabase = async (path) => {
  const name = 'better-sqlite3'
  const { default: Sqlite } = await import(name) as { default: new (path: string) => Database }
  return new Sqlite(path)
}
