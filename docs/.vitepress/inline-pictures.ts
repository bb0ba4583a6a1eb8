import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'

/**
 * Puts a picture that is an SVG of our own into the page itself, so that it has the page's colours, dark or light, and not
 * those of the system; anywhere else the same Markdown shows the file.
 */
export function inlinePictures(md: MarkdownRenderer): void {
  const asImage = md.renderer.rules.image
  md.renderer.rules.image = (tokens, index, options, env, self) => {
    const source = tokens[index]?.attrGet('src') ?? ''
    if (!/^\.[^:]*\/pictures\/[\w-]+\.svg$/.test(source)) {
      return asImage ? asImage(tokens, index, options, env, self) : self.renderToken(tokens, index, options)
    }
    const svg = readFileSync(join(dirname(env.realPath ?? env.path), source), 'utf8')
    // In an attribute, because Vue drops a <style> that it finds in a template.
    return `<span class="picture" v-html="${md.utils.escapeHtml(JSON.stringify(svg))}"></span>`
  }
}
