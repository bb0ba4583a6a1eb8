export {
  type AsExpressSessionStoreOptions,
  asExpressSessionStore,
  type BridgedStore,
} from './as-express-session-store.ts'
export type { ExpressSession, ExpressSessionStore } from './express-session-store.ts'
export { type FormerExpressSessionsOptions, formerExpressSessions } from './former-express-sessions.ts'
export { type FromExpressSessionStoreOptions, fromExpressSessionStore } from './from-express-session-store.ts'
