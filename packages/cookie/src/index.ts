export { type CookieStoreOptions, cookieStore, openStore } from './cookie-store.ts'
