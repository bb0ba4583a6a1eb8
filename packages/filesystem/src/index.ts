export { type FilesystemStoreOptions, filesystemStore, openStore } from './filesystem-store.ts'
export { KeyvCacache, type KeyvCacacheOptions } from './keyv-cacache.ts'
