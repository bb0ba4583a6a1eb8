import { httpConformance, onKoa } from '@sojourn/http-conformance'
import { session } from '@sojourn/koa'

httpConformance(onKoa(session))
