declare module 'fs-native-extensions' {
  /** Locks a byte range of an open file for this open file; false if another one has it. */
  export function tryLock(fd: number, offset: number, length: number, options?: { shared?: boolean }): boolean
  export function unlock(fd: number, offset: number, length: number): void
}
