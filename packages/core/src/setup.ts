export { chooseStore, selectStore } from './select-store.ts'
export { resolveSettings } from './settings.ts'
