import type { Row } from './report.ts'

/** Those that the chart shows: what every request of a site pays, and what a change costs. */
const shown = ['read a signed-in page', 'change a key at every request']

const line = 22
const labels = 290
const widest = 420
const colours = { bare: '#9aa0a6', ideal: '#c3c7cc', peer: '#d98c5f', sojourn: '#2f7d6d' } as const

/** Bars: requests per second as a part of what the framework alone does. */
export function chartOf(rows: readonly Row[]): string {
  const parts: string[] = []
  let y = 30
  for (const workload of shown) {
    for (const framework of new Set(rows.map(row => row.framework))) {
      const own = rows.filter(row => row.workload === workload && row.framework === framework)
      if (own.length === 0) continue
      parts.push(text(16, y, `${framework}: ${workload}`, 'bold'))
      y += line
      for (const row of own) {
        parts.push(bar(row, y))
        y += line
      }
      y += line / 2
    }
  }
  const longest = Math.max(1, ...rows.map(({ toBare }) => toBare?.median ?? 0))
  const width = Math.ceil(labels + longest * widest + 70)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" font-family="system-ui, sans-serif" font-size="13">`,
    '<title>Requests per second as a share of the bare framework</title>',
    `<rect width="${width}" height="${y}" fill="#fff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function bar({ name, store, kind, toBare }: Row, y: number): string {
  const share = toBare?.median ?? 0
  const what = store === 'none' ? name : `${name}${kind === 'peer' ? '' : `, ${store}`}`
  const width = Math.round(share * widest)
  return [
    text(labels - 8, y, what, kind === 'sojourn' ? 'bold' : 'normal', 'end'),
    `<rect x="${labels}" y="${y - 12}" width="${width}" height="16" rx="2" fill="${colours[kind]}"/>`,
    text(labels + width + 6, y, share.toFixed(2)),
  ].join('')
}

function text(x: number, y: number, words: string, weight = 'normal', anchor = 'start'): string {
  return `<text x="${x}" y="${y}" font-weight="${weight}" text-anchor="${anchor}" fill="#202124">${words}</text>`
}
