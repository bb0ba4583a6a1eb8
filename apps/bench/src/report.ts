import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Sample, Workload } from './site.ts'
import { type Figure, figuresOf, ratioOf } from './statistics.ts'
import type { Subject } from './subjects/subject.ts'

/** What came of a workload on a subject, a sample for each round. */
export interface Result {
  readonly workload: Workload
  readonly subject: Subject
  readonly samples: readonly Sample[]
}

/** A result in the light of the others of its round. */
export interface Row {
  readonly workload: string
  readonly framework: string
  readonly name: string
  readonly store: string
  readonly kind: Subject['kind']
  readonly figures: ReturnType<typeof figuresOf>
  /** Requests per second as a part of those of the framework alone, the ideal and the peer on the same store. */
  readonly toBare: Figure | undefined
  readonly toIdeal: Figure | undefined
  readonly toPeer: Figure | undefined
}

export function rowsOf(results: readonly Result[]): Row[] {
  return results.map(({ workload, subject, samples }) => {
    const { framework, name, store, kind } = subject
    const beside = (other: Subject['kind'], on: Subject['store'] | undefined) =>
      results.find(
        each =>
          each.workload === workload &&
          each.subject.framework === framework &&
          each.subject.kind === other &&
          (on === undefined || each.subject.store === on),
      )?.samples
    return {
      workload: workload.name,
      ...{ framework, name, store, kind },
      figures: figuresOf(samples),
      toBare: ratioOf(samples, beside('bare', undefined)),
      toIdeal: ratioOf(samples, beside('ideal', store)),
      toPeer: kind === 'sojourn' ? ratioOf(samples, beside('peer', store)) : undefined,
    }
  })
}

export function tablesOf(rows: readonly Row[]): string {
  const names = [...new Set(rows.map(({ workload }) => workload))]
  return names
    .map(name => `### ${name}\n\n${tableOf(rows.filter(row => row.workload === name))}\n`)
    .join('\n')
}

function tableOf(rows: readonly Row[]): string {
  const head = [
    '| on | store | | requests/s (least to most) | of bare | of ideal | of peer | p50 | p99 | CPU | memory |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  const lines = rows.map(({ framework, store, name, figures, toBare, toIdeal, toPeer }) => {
    const { perSecond, p50, p99, cpu, memory } = figures
    const whole = (value: number) => Math.round(value).toLocaleString('en')
    const ratio = (figure: Figure | undefined) =>
      figure === undefined
        ? ''
        : `${figure.median.toFixed(2)} (${figure.least.toFixed(2)} to ${figure.most.toFixed(2)})`
    return `| ${[
      framework,
      store === 'none' ? '' : store,
      name,
      `${whole(perSecond.median)} (${whole(perSecond.least)} to ${whole(perSecond.most)})`,
      ratio(toBare),
      ratio(toIdeal),
      ratio(toPeer),
      `${p50.median.toFixed(1)} ms`,
      `${p99.median.toFixed(1)} ms`,
      `${whole(cpu.median)} µs`,
      `${whole(memory.median)} MB`,
    ].join(' | ')} |`
  })
  return [...head, ...lines].join('\n')
}

/** Where it was measured. */
export function machine(): string {
  const [{ model = 'unknown processor' } = {}] = cpus()
  return `${cpus().length} processors (${model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}, ${process.platform}`
}

const packages = join(import.meta.dirname, '..', 'node_modules')

/** Of what is measured beside Sojourn. */
export function versions(names: readonly string[]): string {
  const versionOf = (name: string) =>
    JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8')).version
  return names.map(name => `${name} ${versionOf(name)}`).join(', ')
}
