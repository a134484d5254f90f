/*
 * A table for people: columns of text to the left, of numbers to the right, the first row in bold.
 */
import { type Call } from './command.ts'

/** Rows of cells, the first of them the names of the columns. */
export type Table = readonly (readonly string[])[]

const NUMBER = /^(?:[\d,.]+( \w+)?|-)$/

/** Prints the table. */
export async function printTable(call: Call, table: Table): Promise<void> {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const numeric = table[0]!.map((_, column) => table.length > 1 && isNumeric(table.slice(1).map((row) => row[column]!)))
  for (const [number, row] of table.entries()) {
    const cells = row.map((cell, column) => (numeric[column] === true ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
    const line = cells.join('  ').trimEnd()
    await call.screen.print(number === 0 ? call.screen.paint('bold', line) : line)
  }
}

/** A column of nothing but `-` is none. */
function isNumeric(cells: readonly string[]): boolean {
  return cells.every((cell) => NUMBER.test(cell)) && cells.some((cell) => cell !== '-')
}
