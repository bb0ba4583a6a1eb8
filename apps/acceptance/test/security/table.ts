import { type Adapter, carriers, endings, inspection, production, vary } from '@sojourn/http-conformance'
import { describe } from 'vitest'
import { attributes } from './attributes.ts'
import { copies } from './copies.ts'
import { elsewhere } from './elsewhere.ts'
import { ids } from './ids.ts'
import { kinds } from './kinds.ts'
import { limits } from './limits.ts'
import { placeOf } from './place.ts'
import { processes } from './processes.ts'
import { secrecy } from './secrecy.ts'
import { size } from './size.ts'
import { users } from './users.ts'
import { visitors } from './visitors.ts'

/**
 * The rows of SECURITY.md, each test named after its row, on an adapter and every store: over HTTP, and from outside
 * the stores.
 *
 * @param app the fixture that `sojourn serve` runs
 */
export function securityTable(adapter: Adapter, app: string): void {
  describe.each(kinds)(`${adapter.name} on the store $name`, kind => {
    const place = placeOf(adapter, kind)
    for (const shared of [carriers, production, vary, inspection]) shared(place.open)
    for (const rows of [ids, attributes, size, secrecy, elsewhere, visitors, users]) rows(place)
    if (kind.revokes) endings(place.open)
    else copies(place)
  })
  describe(adapter.name, () => {
    limits(adapter, kinds)
    processes(app)
  })
}
