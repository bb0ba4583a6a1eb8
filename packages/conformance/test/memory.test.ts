import { memoryStore } from '@sojourn/core/memory'
import { describe, it } from 'vitest'
import { testStore } from '../src/index.ts'

testStore({ describe, it }, 'memory', () => memoryStore())
