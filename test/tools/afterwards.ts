/*
 * What a test leaves is cleaned up after it: clean-up.ts does so behind every test, whatever file it stands in.
 */
const cleanups: (() => Promise<void> | void)[] = []

/** Calls `clean` after the test, the last one first. */
export function afterwards(clean: () => Promise<void> | void): void {
  cleanups.push(clean)
}

/** Calls what was asked for since it was called last. */
export async function cleanUp(): Promise<void> {
  for (const clean of cleanups.splice(0).reverse()) await clean()
}
