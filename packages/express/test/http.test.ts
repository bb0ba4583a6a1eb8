import { session } from '@sojourn/express'
import { httpConformance, onExpress } from '@sojourn/http-conformance'
import { describe } from 'vitest'
import { frameworks } from './frameworks.ts'

describe.each(frameworks)('%s', (_name, framework) => httpConformance(onExpress(session, framework)))
