import { createRequire } from 'node:module'
import express from 'express'

// It has no types of its own, and those of Express 5 say all that is used here.
const express4: typeof express = createRequire(import.meta.url)('express-4')

/** Each Express that the middleware is for, by its name. */
export const frameworks: readonly (readonly [name: string, framework: typeof express])[] = [
  ['Express 5', express],
  ['Express 4', express4],
]
