import { createRequire } from 'node:module'
import { httpConformance, onKoa } from '@sojourn/http-conformance'
import { session } from '@sojourn/koa'
import Koa from 'koa'
import { describe } from 'vitest'

// It has no types of its own, and those of Koa 3 say all that is used here.
const Koa2: typeof Koa = createRequire(import.meta.url)('koa-2')

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2],
])('%s', (_name, framework) => httpConformance(onKoa(session, framework)))
