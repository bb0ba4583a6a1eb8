import { InvalidArgumentError } from 'commander'

/** Beyond, a timer of Node would be none at all. */
const longestSeconds = 2_147_483

export function wholeNumber(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.')
  return count
}

export function port(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number > 65_535)
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535.')
  return number
}

/** In milliseconds, from a text in seconds. */
export function seconds(text: string): number {
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (!(number >= 0 && number <= longestSeconds))
    throw new InvalidArgumentError(`It must be a number of seconds from 0 to ${longestSeconds}.`)
  return Math.round(number * 1000)
}
