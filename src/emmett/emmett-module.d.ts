/*
 * Emmett is an optional peer: its types are not there when this is built. emmett-package.ts declares what it uses of it.
 */
declare module '@event-driven-io/emmett'
