import { session } from '@sojourn/express'
import { onExpress } from '@sojourn/http-conformance'
import { securityTable } from './table.ts'

securityTable(onExpress(session), 'express-app.ts')
