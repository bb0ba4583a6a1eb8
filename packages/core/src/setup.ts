export { chooseStore, selectStore, setApplicationFolder } from './select-store.ts'
export { resolveSettings } from './settings.ts'
