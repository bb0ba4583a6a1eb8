export type { CookieOptions, CookieSettings } from './cookies.ts'
export { isSessionError, SessionError, type SessionErrorCode, type SessionErrorOptions } from './errors.ts'
export type { Flash, Messages } from './flash.ts'
export type { FormerSession, FormerSessions } from './former-sessions.ts'
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
  UserLimitPolicy,
} from './settings.ts'
export type {
  Conflict,
  CreateOptions,
  Eviction,
  Gone,
  Loaded,
  NamedSessions,
  SelfContained,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreAbilities,
  StoreHealth,
  UserIndex,
  UserSession,
  Written,
} from './store.ts'
export type { SessionEvents, StoreOperation } from './store-calls.ts'
export type { SignedIn, UserSessions } from './user-sessions.ts'
