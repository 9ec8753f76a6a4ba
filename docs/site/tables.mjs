/**
 * Each cell of a table knows the heading of its column: on a phone the cells of a row stand one below the other, each
 * with its heading (see style.css).
 *
 * @param {import('markdown-it')} parser
 */
export function headedCells(parser) {
  parser.core.ruler.push('headed-cells', ({ tokens }) => {
    let heads = []
    let column = 0
    for (const [index, token] of tokens.entries()) {
      if (token.type === 'table_open') heads = []
      else if (token.type === 'th_open') heads.push(textOf(tokens[index + 1]))
      else if (token.type === 'tr_open') column = 0
      else if (token.type === 'td_open') token.attrSet('data-head', heads[column++] ?? '')
    }
  })
}

function textOf({ children }) {
  return (children ?? []).map(({ content }) => content).join('')
}
