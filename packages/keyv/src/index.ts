export type { AtomicAdapter, KeyvAdapter } from './adapter.ts'
export { KeyvStore, type KeyvStoreOptions, keyvStore } from './keyv-store.ts'
export {
  type Applied,
  corrupt,
  encodeChange,
  encodeRecord,
  RecordEditor,
  type TextChange,
  userIn,
} from './record-text.ts'
