export type { Adapter, Exchange } from './adapter.ts'
export { httpConformance } from './suite.ts'
