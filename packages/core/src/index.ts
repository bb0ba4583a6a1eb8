export type { CookieOptions, CookieSettings } from './cookies.ts'
export { isSessionError, SessionError, type SessionErrorCode, type SessionErrorOptions } from './errors.ts'
export type { Flash, Messages } from './flash.ts'
export type { SessionRequest } from './request.ts'
export type { OpenStore, StoreContext } from './select-store.ts'
export type { RegenerateOptions, Session, SessionCallback, SessionControls, SessionData } from './session.ts'
export { openSessions, type Sessions } from './sessions.ts'
export type {
  ConflictPolicy,
  Environment,
  Logger,
  SessionOptions,
  Settings,
  StoreFailurePolicy,
} from './settings.ts'
export type {
  Conflict,
  Eviction,
  Gone,
  Loaded,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreAbilities,
  StoreHealth,
  UserIndex,
  Written,
} from './store.ts'
export type { SessionEvents, StoreOperation } from './store-calls.ts'
