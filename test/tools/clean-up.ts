/*
 * Runs before each test file. A module that several files import is evaluated once for all files of a process, and a hook that it sets would
 * be that of the first file alone; what is said here holds for each.
 */
import { afterEach } from 'vitest'
import { cleanUp } from './afterwards.ts'

afterEach(cleanUp)
