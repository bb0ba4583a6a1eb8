import type { Sample } from './site.ts'

/** The middle one of so many, and how far the others lie apart. */
export interface Figure {
  readonly median: number
  readonly least: number
  readonly most: number
}

export type Figures = Readonly<Record<keyof Sample, Figure>>

function figureOf(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (place: number) => sorted[Math.round(place * (sorted.length - 1))] ?? Number.NaN
  return { median: at(0.5), least: at(0), most: at(1) }
}

export function figuresOf(samples: readonly Sample[]): Figures {
  const of = (field: keyof Sample) => figureOf(samples.map(sample => sample[field]))
  return { perSecond: of('perSecond'), p50: of('p50'), p99: of('p99'), cpu: of('cpu'), memory: of('memory') }
}

/** Of two that were measured in turns: the ratios of each turn, so that what slows a whole turn down does not count. */
export function ratioOf(samples: readonly Sample[], to: readonly Sample[] | undefined): Figure | undefined {
  if (to === undefined) return undefined
  return figureOf(samples.map(({ perSecond }, turn) => perSecond / (to[turn]?.perSecond ?? Number.NaN)))
}
