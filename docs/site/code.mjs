/**
 * Code within text: what typedoc does with it is not enough.
 *
 * @param {import('markdown-it')} parser
 */
export function codeInText(parser) {
  countInHeadings(parser)
  breakBetweenNames(parser)
}

/** In headings it counts for anchors and tables of contents as the text that it is, as on GitHub, and is not left out. */
function countInHeadings(parser) {
  parser.core.ruler.push('code-in-headings', ({ tokens, Token }) => {
    const headings = tokens.filter((token, index) => tokens[index - 1]?.type === 'heading_open')
    for (const code of headings.flatMap(({ children }) => children ?? [])) {
      if (code.type !== 'code_inline') continue
      const text = new Token('text', '', 0)
      text.content = code.content
      // Not rendered: the content of the code itself is.
      code.children = [text]
    }
  })
}

/** In narrow cells of tables it can be broken after a dot, an underscore, a slash or an opening parenthesis. */
function breakBetweenNames(parser) {
  parser.renderer.rules.code_inline = (tokens, index) => {
    const code = parser.utils.escapeHtml(tokens[index].content)
    return `<code>${code.replaceAll(/[._/(](?=[\w$\\{'])/g, '$&<wbr>')}</code>`
  }
}
