export {
  checkHistory,
  describeViolations,
  type Fault,
  type HistoryOptions,
  type Invariant,
  type Violation,
} from './check-history.ts'
export { append, historyData, keyOf, type Operation, type Seen, seenIn } from './operation.ts'
export { HistoryRecorder, readHistory, sharedTime } from './recorder.ts'
