// Runs in a copy of the report: compares what is seen with the embedded JSON and looks at the layout. The outcome
// goes to the page around it, as JSON.
'use strict'
const wrong = []
const expect = (what, seen, wanted) => {
  const [a, b] = [JSON.stringify(seen), JSON.stringify(wanted)]
  if (a !== b) wrong.push(`${what}: seen ${a}, wanted ${b}`)
}
const data = document.getElementById('report')
const report = JSON.parse(data.textContent)
const all = (selector) => [...document.querySelectorAll(selector)]
const text = (element) => element.firstChild?.textContent ?? ''
const sum = (numbers) => numbers.reduce((total, number) => total + Number(number), 0)

// A figure as it must be written: to the cent, with thousands; what is not known is "unknown" and never a number.
const usd = (number) => {
  if (number === undefined) return 'unknown'
  const value = Number(number)
  if (value !== 0 && Math.abs(value) < 0.005) return '<$0.01'
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 }
  return (value < 0 ? '-$' : '$') + Math.abs(value).toLocaleString('en-US', digits)
}
const change = (number) => (Number(number) > 0 ? '+' : '') + usd(number)
// The cent of a sum of doubles is not certain; then the nearest is right as well.
const near = (what, seen, value) => {
  const number = Number(seen.replace(/[<$,]/g, ''))
  if (!seen.startsWith('$') && !seen.startsWith('<$')) wrong.push(`${what}: ${seen} is no money`)
  else if (Math.abs(number - value) > 0.0101) wrong.push(`${what}: seen ${seen}, wanted ${value}`)
}

const lines = () => {
  expect('total', text(document.querySelector('#total .value')), usd(report.total.expected))
  const groups = new Map()
  for (const line of report.lines) groups.set(line.address, [...(groups.get(line.address) ?? []), line])
  const ordered = [...groups.values()]
  const seen = all('#lines tbody .monthly').map(text)
  expect('lines', seen, ordered.flat().map((line) => usd(line.monthly?.expected)))
  const known = (group) => group.filter((line) => line.monthly)
  all('#lines .subtotal').forEach((element, at) => {
    const amounts = known(ordered[at]).map((line) => line.monthly.expected)
    if (amounts.length === 0) expect('subtotal', text(element), 'unknown')
    else near('subtotal', text(element).trim(), sum(amounts))
  })
  expect('resources', all('.resource h3').map((element) => element.textContent).length, ordered.length)
  expect('unknown', document.querySelector('#unknown .value')?.textContent?.split(' ')[0] ?? '0', String(report.unknown))
}

const changes = () => {
  const coverage = report.coverage ?? { lost: [], gained: [] }
  expect('coverage', all('#coverage li').length, coverage.lost.length + coverage.gained.length)
  if (!report.diff) return
  const side = (one) => (one ? usd(one.monthly) : '–')
  expect('before', all('#changes tbody .before').map(text), report.diff.lines.map((line) => side(line.old)))
  expect('after', all('#changes tbody .after').map(text), report.diff.lines.map((line) => side(line.new)))
  expect('increase', text(document.querySelector('#increase .value')), change(report.diff.increase))
  expect('sum of changes', text(document.querySelector('#changes tfoot .monthly')), change(report.diff.increase))
}

const bars = () => {
  for (const kind of ['selectors', 'accounts', 'regions']) {
    const amounts = report.attribution[kind].map((share) => Number(share.monthly)).sort((a, b) => b - a)
    const seen = all(`#${kind} .monthly`).map(text)
    if (sum(amounts) === 0) continue
    const shown = amounts.length <= 11 ? amounts.length : 10
    amounts.slice(0, shown).forEach((amount, at) => near(kind, seen[at], amount))
    if (shown < amounts.length) near(`rest of ${kind}`, seen[10], sum(amounts.slice(shown)))
    const longest = all(`#${kind} .bar rect`).map((bar) => Number(bar.getAttribute('width')))
    longest.forEach((length, at) => {
      const wanted = Math.min(100, (Number(seen[at].replace(/[<$,]/g, '')) / amounts[0]) * 100)
      if (Math.abs(length - wanted) > 0.6) wrong.push(`bar ${at} of ${kind}: ${length}, wanted ${wanted}`)
    })
  }
}

const projection = () => {
  if (!report.projection) return
  const months = report.projection.months
  const tips = all('#projection .tip title').map((title) => title.textContent.split('\n')[0])
  expect('months', tips, months.map((month) => `Month ${month.month}: ${usd(month.total)}`))
  const rows = all('#projection .figures tbody tr')
  const last = rows.at(-1)
  expect('last month', last.querySelector('.total').textContent, usd(months.at(-1).total))
  near('sum of months', last.querySelector('.spent').textContent, sum(months.map((month) => month.total)))
  expect('steady', document.querySelector('#steady .value')?.textContent,
    report.projection.steady_from && usd(months[report.projection.steady_from - 1].total))
  const areas = all('#projection .plot path[class^=s]:not(.steady)').length
  const parts = new Set(months.flatMap((month) => Object.keys(month.components)))
  expect('areas', areas, Math.min(8, parts.size))
}

// Nothing of a name became an element, an attribute or a style.
const harmless = () => {
  const own = new Set(['HEADER', 'MAIN', 'FOOTER', 'SCRIPT'])
  expect('children of the body', [...document.body.children].filter((child) => !own.has(child.tagName)).length, 0)
  expect('scripts', document.scripts.length, 2)
  expect('styles', document.querySelectorAll('style').length, 1)
  expect('things that load', all('img,iframe,object,embed,link,a,video,audio,image,use,form,base').length, 0)
  const attributes = all('*').flatMap((element) => [...element.attributes].map((attribute) => attribute.name))
  expect('handlers', attributes.filter((name) => name.startsWith('on')), [])
  expect('title', document.title.endsWith(report.spec.replace(/\n/g, '\\u{a}')), true)
  const hidden = /[\u0000-\u0009\u000b-\u001f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/
  expect('hidden characters', hidden.test(document.querySelector('main').textContent), false)
}

// Nothing sticks out of the window; what is wider scrolls in a box of its own.
const layout = () => {
  for (const folded of all('details')) folded.open = true
  const width = document.documentElement.clientWidth
  expect('width of the page', document.documentElement.scrollWidth <= width, true)
  for (const element of all('main *, header *')) {
    const box = element.getBoundingClientRect()
    const scrolls = element.closest('.scroll, pre, svg, thead')
    if (!scrolls && (box.right > width + 1 || box.left < -1)) {
      wrong.push(`${element.tagName}.${element.className} sticks out: ${box.left} to ${box.right} of ${width}`)
    }
  }
  expect('figures', new Set(all('.num').map((cell) => getComputedStyle(cell).fontVariantNumeric)).size <= 1, true)
}

try {
  for (const check of [lines, changes, bars, projection, harmless, layout]) check()
} catch (error) {
  wrong.push(String(error.stack))
}
const outcome = { width: innerWidth, dark: matchMedia('(prefers-color-scheme: dark)').matches, wrong: wrong.slice(0, 20) }
parent.document.getElementById('outcome').textContent = JSON.stringify(outcome)
