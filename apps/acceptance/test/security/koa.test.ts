import { onKoa } from '@sojourn/http-conformance'
import { session } from '@sojourn/koa'
import { securityTable } from './table.ts'

securityTable(onKoa(session), 'koa-app.ts')
