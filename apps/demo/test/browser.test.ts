import { RedisServer } from '@sojourn/redis-servers'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Demo, startDemo } from './demo.ts'

const reloads = 30
const phoneAgent = 'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36'

let browser: Browser

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
      ...['--disable-sync', '--no-first-run'],
    ],
  })
})

afterEach(async () => {
  for (const context of browser.contexts()) await context.close()
})

afterAll(async () => {
  await browser.close()
})

async function open(options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  return page
}

/** Sends a form, and is back when the page that answers it is there: a click alone returns before that. */
async function press(page: Page, button: string): Promise<void> {
  const answered = page.waitForEvent('load')
  await page.getByRole('button', { name: button }).click()
  await answered
}

async function signIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await press(page, 'Sign in')
}

async function fact(page: Page, name: string): Promise<string> {
  return (await page.locator(`[data-fact=${name}]`).textContent()) ?? ''
}

async function heading(page: Page): Promise<string> {
  return (await page.getByRole('heading', { level: 1 }).textContent()) ?? ''
}

/** Reloads the page, and tells its headings and the processes that answered. */
async function reload(page: Page): Promise<{ headings: Set<string>; pids: Set<string> }> {
  const headings = new Set<string>()
  const pids = new Set<string>()
  for (let i = 0; i < reloads; i++) {
    await page.reload()
    headings.add(await heading(page))
    pids.add(await fact(page, 'pid'))
  }
  return { headings, pids }
}

/** How the demo is started on each store: Redis with its URL and no other change. */
const stores = {
  filesystem: async (args: string[]) => ({ demo: await startDemo(args), stop: async () => undefined }),
  redis: async (args: string[]) => {
    const redis = await RedisServer.start()
    return { demo: await startDemo(args, { REDIS_URL: redis.url }), stop: () => redis.stop() }
  },
} as const

describe.each([
  ['filesystem', 'cluster'],
  ['redis', 'cluster'],
  ['filesystem', 'threads'],
] as const)('with sessions in the store %s, under --server %s', (store, kind) => {
  let demo: Demo
  let stop: () => Promise<unknown>

  beforeAll(async () => {
    ;({ demo, stop } = await stores[store](['--server', kind]))
  })

  afterAll(async () => {
    await demo?.stop()
    await stop?.()
  })

  test('signed in is signed in, whichever process answers, until the sign-out on the other server', async () => {
    const page = await open()
    await page.goto(demo.express)
    expect(await fact(page, 'store')).toBe(store)
    await signIn(page, 'Ada')
    expect(await page.getByRole('status').textContent()).toBe('You are signed in as Ada.')

    const { headings, pids } = await reload(page)
    expect([...headings]).toEqual(['Hello, Ada'])
    expect(pids.size).toBeGreaterThanOrEqual(2)
    expect(await page.getByRole('status').count()).toBe(0)

    await page.getByRole('link', { name: 'This page on Koa' }).click()
    await page.waitForURL(`${demo.koa}/`)
    expect(await fact(page, 'server')).toBe('Koa')
    expect(await heading(page)).toBe('Hello, Ada')

    await press(page, 'Sign out')
    expect(await heading(page)).toBe('You are signed out')
    await page.goto(demo.express)
    expect([...(await reload(page)).headings]).toEqual(['You are signed out'])
  })

  test('note, counter and theme are the same on both servers', async () => {
    const page = await open({ colorScheme: 'light' })
    await page.goto(demo.express)
    await signIn(page, 'Grace')
    await page.getByLabel('A note').fill('<b>"moths" & bugs</b>')
    await press(page, 'Keep it')
    for (let i = 0; i < 3; i++) await press(page, 'Add one')
    await page.goto(`${demo.express}/try`)
    await press(page, 'Dark')
    expect(page.url()).toBe(`${demo.express}/try`)

    await page.goto(demo.koa)
    expect(await page.getByLabel('A note').inputValue()).toBe('<b>"moths" & bugs</b>')
    expect(await fact(page, 'count')).toBe('3')
    expect(await page.getByRole('button', { name: 'Dark' }).getAttribute('aria-pressed')).toBe('true')
    expect(await page.evaluate(`getComputedStyle(document.body).backgroundColor`)).toBe('rgb(21, 23, 27)')
    await press(page, 'Add one')
    await page.goto(demo.express)
    expect(await fact(page, 'count')).toBe('4')
  })

  test('two browsers see each other under Where you are signed in, and one signs the other out', async () => {
    const name = `Ada of ${store}`
    const [laptop, phone, tablet] = [await open(), await open({ userAgent: phoneAgent }), await open()]
    await laptop.goto(demo.express)
    await signIn(laptop, name)
    for (const page of [phone, tablet]) {
      await page.goto(demo.koa)
      await signIn(page, name)
    }
    await phone.goto(`${demo.koa}/devices`)
    expect(await phone.locator('.devices li h2').allTextContents()).toEqual([
      'Chrome on Android This device',
      'Chrome on Linux',
      'Chrome on Linux',
    ])
    await laptop.goto(`${demo.express}/devices`)
    const phoneThere = laptop.locator('.devices li', { hasText: 'Android' })
    const answered = laptop.waitForEvent('load')
    await phoneThere.getByRole('button', { name: 'Sign out' }).click()
    await answered
    expect(await laptop.getByRole('status').textContent()).toBe('That device is signed out.')
    expect([...(await reload(phone)).headings]).toEqual(['Where you are signed in'])
    expect(await phone.locator('.devices li').count()).toBe(0)
    await press(laptop, 'Sign out everywhere else')
    expect(await laptop.locator('.devices li h2').allTextContents()).toEqual(['Chrome on Linux This device'])
    await tablet.goto(demo.express)
    expect(await heading(tablet)).toBe('You are signed out')
    await laptop.goto(demo.koa)
    expect(await heading(laptop)).toBe(`Hello, ${name}`)
  })

  test('markup in a name is text', async () => {
    const page = await open()
    await page.goto(demo.express)
    await signIn(page, '<img src=x>&amp;')
    expect(await heading(page)).toBe('Hello, <img src=x>&amp;')
  })

  test.each(['light', 'dark'] as const)('a phone has no need to scroll sideways (%s)', async colorScheme => {
    const page = await open({ viewport: { width: 375, height: 740 }, colorScheme })
    await page.goto(demo.express)
    for (const path of ['/', '/devices', '/try', '/not-there']) {
      await page.goto(demo.express + path)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375)
      if (path === '/') await signIn(page, 'W'.repeat(40))
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375)
    }
  })

  test('the browser has nothing to complain of', async () => {
    const page = await open()
    const complaints: string[] = []
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    await page.goto(demo.express)
    await signIn(page, 'Ada')
    await page.goto(`${demo.koa}/try`)
    expect(complaints).toEqual([])
  })
})

test('with sessions in memory, the illness: signed in on one page, signed out on the next', async () => {
  const demo = await startDemo(['--store', 'memory'])
  try {
    const page = await open()
    await page.goto(demo.express)
    await signIn(page, 'Ada')
    const { headings } = await reload(page)
    expect(headings).toContain('You are signed out')
    expect(headings).toContain('Hello, Ada')
    expect(await page.getByText('This run shows the illness').count()).toBe(1)
  } finally {
    await demo.stop()
  }
})
