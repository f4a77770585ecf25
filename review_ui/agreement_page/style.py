"""What this page needs besides the CSS of all pages. Colours are of Okabe and Ito's palette."""

CSS = """
p, li { max-width: 50rem; }
nav { font-size: .9rem; margin: .6rem 0; }
nav a { color: #0072b2; margin-right: .9rem; white-space: nowrap; }
h3 { margin-top: 1.2rem; }
.internal { border: 2px solid #d55e00; border-radius: 6px; padding: .35rem .8rem; margin: .8rem 0; max-width: none; }
.quote { border: 1px solid #ddd; border-radius: 6px; padding: .9rem 1.2rem; margin: 1rem 0; }
.quote .figure { font-size: 2rem; line-height: 1.2; font-weight: 600; font-variant-numeric: tabular-nums; }
.quote .figure small { font-size: 1.05rem; font-weight: normal; color: #444; }
.quote svg { max-width: 30rem; }
.warning { margin: 1rem 0; }
.warning ul { margin: .2rem 0; padding-left: 1.2rem; }
.progress { display: block; width: 100%; height: 14px; margin: .7rem 0 .5rem; }
.card.both { border-left: 8px solid #0072b2; }
.card.one { border-left: 8px solid #56b4e9; }
.card.none { border-left: 8px solid #c8c8c8; }
.wide table, .heat { width: 100%; }
td { vertical-align: top; }
th { vertical-align: bottom; }
td.n, th.n { padding-right: 1.4rem; }
td:last-child, th:last-child { padding-right: 0; }
.long { display: inline-block; min-width: 8.5rem; overflow-wrap: anywhere; }
th .long { min-width: 6.8rem; }
.pair > * { display: block; }
.beside { display: block; color: #5a5a5a; font-size: .88em; }
.line { display: block; }
.whole, .value i { white-space: nowrap; }
.line .long { min-width: 6rem; }
.strip { display: block; width: calc(100% - 12px); min-width: 4.5rem; height: 16px; margin: 0 6px; overflow: visible; }
.strip .tick { stroke: #d5d5d5; stroke-width: 1; }
.strip .span { stroke: #0072b2; stroke-width: 3; }
.strip .dot { fill: #0072b2; stroke: #0072b2; stroke-width: 1.5; }
.strip .hollow { fill: #fff; }
.strip.axis { height: 13px; }
.strip.axis text { font-size: .75rem; font-weight: normal; fill: #5a5a5a; text-anchor: middle; }
.value i, td i { font-style: normal; color: #5a5a5a; }
.strip.axis .first { text-anchor: start; }
.strip.axis .last { text-anchor: end; }
.notes span { display: inline-block; margin-right: 1rem; }
sup { line-height: 0; }
.heat { table-layout: fixed; }
.heat th, .heat td { text-align: center; padding: .25rem .15rem; border: 1px solid #fff; min-width: 0; font-size: .82rem; }
.heat th { font-weight: normal; font-size: .75rem; line-height: 1.2; }
.heat tbody th { vertical-align: top; }
.heat thead th { padding: .25rem 0; }
.heat th:first-child, .heat td:first-child { width: 5rem; text-align: right; padding-right: .5rem; }
.heat th:last-child { width: 3rem; }
.heat td b { display: block; font-weight: 600; }
.heat td.same { outline: 2px solid #1c1c1c; outline-offset: -3px; }
.heat td.nothing { color: #767676; }
@media (max-width: 56rem) {
  .wide table { font-size: .78rem; }
  td.n, th.n { padding-right: .9rem; }
  .heat th { font-size: .7rem; }
  .heat .beside { font-size: 1em; }
}
@page { size: A4; margin: 14mm 13mm; }
@media print {
  body { color: #000; }
  nav { display: none; }
  p, li { max-width: none; break-inside: avoid; }
  table { font-size: 8.5pt; }
  th, td { padding-right: .5rem; }
  td.n, th.n { padding-right: .9rem; }
  .table { overflow: visible; }
  #progress, #confusion, #flags, #escapes { break-inside: avoid; }
  tbody tr:first-child, tr:nth-last-child(2) { break-after: avoid; }
  .heat td { font-size: 8pt; }
  .heat th, .heat .beside { font-size: 7.5pt; }
  .quote, .warning, .internal, .cards { break-inside: avoid; }
  .notes, .facts, footer, figcaption { font-size: 8.5pt; color: #333; }
  .strip { min-width: 3.5rem; }
  h2, h3 { break-after: avoid; }
}
"""
