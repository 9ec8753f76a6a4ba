/**
 * Code in headings counts for anchors and tables of contents as the text that it is, as it does on GitHub: typedoc would
 * leave it out.
 *
 * @param {import('markdown-it')} parser
 */
export function codeInHeadings(parser) {
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
