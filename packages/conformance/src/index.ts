export type { Ability, OpenHandle, Runner, TestBody } from './runner.ts'
export { testStore } from './test-store.ts'
