/// <reference path="./fs-native-extensions.d.ts" />
import { closeSync, fstatSync, lstatSync, openSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPrivateFolder, unavailable } from '@sojourn/core/store-kit'
import { tryLock, unlock } from 'fs-native-extensions'

/** Locks of one kind lie in a range of their own, so that one session can have one of each. */
const ranges: Readonly<Record<LockKind, number>> = {
  write: 0,
  wait: 2 ** 48,
  use: 2 ** 49,
  cleanup: 2 ** 50,
}

export type LockKind = 'write' | 'wait' | 'use' | 'cleanup'

/**
 * Locks among the processes that share a folder: byte ranges of one file, locked by the kernel, one byte per session.
 * The kernel frees them the moment their process ends, however it ends; they need no space, so they work on a full
 * disk; and a process that is merely stopped keeps them, so nobody writes under its feet.
 *
 * They exclude processes (strictly: open files), not the calls of one process. A session is named by the hash of its
 * key, in hexadecimal.
 */
export class FolderLocks {
  readonly #folder: string
  readonly #path: string
  #fd: number
  #file: Stats
  #closed = false

  constructor(folder: string) {
    this.#folder = folder
    this.#path = join(folder, 'lock')
    this.#fd = openSync(this.#path, 'a+', 0o600)
    this.#file = fstatSync(this.#fd)
  }

  /** False if another process holds it, or once it is closed. */
  try(kind: LockKind, hash: string, shared = false): boolean {
    if (this.#closed) return false
    this.#reopenIfReplaced()
    return tryLock(this.#fd, offsetOf(kind, hash), 1, { shared })
  }

  /**
   * Takes the write lock, waiting up to `timeout` ms. Who comes while others wait does not overtake them: he waits
   * as they do, so that a busy process can't starve the rest.
   *
   * @throws SessionError ERR_SESSION_STORE_UNAVAILABLE
   */
  async acquire(hash: string, timeout: number): Promise<void> {
    if (this.#nobodyWaits(hash) && this.try('write', hash)) return
    const deadline = performance.now() + timeout
    this.try('wait', hash, true)
    try {
      for (let attempt = 1; performance.now() < deadline; attempt++) {
        await sleep(0.5 + Math.random() * Math.min(attempt, 4))
        if (this.try('write', hash)) return
      }
    } finally {
      this.release('wait', hash)
    }
    throw unavailable(new Error(`another process held the lock of this session for ${timeout} ms`))
  }

  #nobodyWaits(hash: string): boolean {
    if (!this.try('wait', hash)) return false
    this.release('wait', hash)
    return true
  }

  release(kind: LockKind, hash: string): void {
    if (this.#closed) return
    unlock(this.#fd, offsetOf(kind, hash), 1)
  }

  close(): void {
    if (!this.#closed) closeSync(this.#fd)
    // Its number may soon be another file's.
    this.#closed = true
  }

  /** Whoever removes the folder, or its files, of a running server must not split its processes in two camps. */
  #reopenIfReplaced(): void {
    const found = lstatSync(this.#path, { throwIfNoEntry: false })
    if (found?.ino === this.#file.ino && found.dev === this.#file.dev) return
    openPrivateFolder(this.#folder)
    const fd = openSync(this.#path, 'a+', 0o600)
    closeSync(this.#fd)
    this.#fd = fd
    this.#file = fstatSync(fd)
  }
}

/** 48 bits of the hash: two sessions that share a byte would only wait for each other. */
function offsetOf(kind: LockKind, hash: string): number {
  return ranges[kind] + Number.parseInt(hash.slice(0, 12), 16)
}
