import { session } from '@sojourn/express'
import { httpConformance, onExpress } from '@sojourn/http-conformance'

httpConformance(onExpress(session))
