"""How a report looks, on a screen and on A4."""

STYLE = """
@page { size: A4; margin: 14mm 13mm 16mm; }
* { box-sizing: border-box; }
html { font: 15px/1.45 system-ui, "DejaVu Sans", Arial, sans-serif; color: #1c2126;
  background: #eef0f2; }
body { max-width: 66rem; margin: 1.5rem auto; padding: 1.6rem 2.2rem 2rem; background: #fff;
  border: 1px solid #d5dade; }
h1 { font-size: 1.55rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; padding-bottom: .25rem;
  border-bottom: 1px solid #d5dade; }
h3 { font-size: .95rem; margin: 1.1rem 0 .35rem; }
p { margin: .35rem 0; }
.sub { color: #5b646c; margin-top: .2rem; }
.verdict { margin: 1.1rem 0 1.2rem; padding: .8rem 1rem; border-left: 6px solid; font-size: 1.12rem;
  font-weight: 600; }
.verdict.good { border-color: #2e7d4f; background: #ebf5ef; }
.verdict.attention { border-color: #b7791f; background: #fdf5e6; }
.verdict.critical { border-color: #b3261e; background: #fcecea; }
.verdict.unknown { border-color: #8a939b; background: #f1f3f4; }
.mark { font-weight: 700; white-space: nowrap; }
.mark.good { color: #23663f; } .mark.attention { color: #8a5a0f; }
.mark.critical { color: #a1211a; }
.mark.unknown { color: #5b646c; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: .7rem; }
.tile { border: 1px solid #d5dade; border-top-width: 4px; padding: .5rem .7rem .55rem;
  min-width: 0; }
.tile.good { border-top-color: #2e7d4f; } .tile.attention { border-top-color: #b7791f; }
.tile.critical { border-top-color: #b3261e; } .tile.unknown { border-top-color: #8a939b; }
.tile .name { color: #5b646c; font-size: .8rem; }
.tile .value { font-size: 1.18rem; font-weight: 600; overflow-wrap: anywhere; line-height: 1.25; }
.tile .note { color: #5b646c; font-size: .8rem; overflow-wrap: anywhere; }
.trouble { border-left: 4px solid; padding: .3rem .8rem; margin: .5rem 0; overflow-wrap: anywhere; }
.trouble.attention { border-color: #b7791f; } .trouble.critical { border-color: #b3261e; }
.trouble .hint { color: #5b646c; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem .28rem 0;
  border-bottom: 1px solid #e6e9ec; overflow-wrap: break-word; }
td:last-child { overflow-wrap: anywhere; }
th { color: #5b646c; font-weight: 600; border-bottom-color: #b9c0c6; overflow-wrap: normal; }
tbody + thead th { padding-top: .9rem; }
td.n, th.n { text-align: right; padding-right: 1.2rem; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
td:first-child { white-space: nowrap; }
.wide td:first-child { white-space: normal; width: 34%; }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem 1.4rem; }
figure { margin: .5rem 0; min-width: 0; }
figcaption { font-size: .87rem; font-weight: 600; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font: 10px "DejaVu Sans", Arial, sans-serif; fill: #5b646c; }
.legend { font-size: .78rem; font-weight: 400; color: #5b646c; }
.legend svg.key { display: inline-block; width: 26px; height: 8px; margin: 0 .25rem 0 .7rem; }
.none { color: #5b646c; }
footer { margin-top: 2rem; padding-top: .6rem; border-top: 1px solid #d5dade; color: #5b646c;
  font-size: .8rem; }
@media (max-width: 46rem) {
  body { margin: 0; padding: 1rem; border: 0; }
  .tiles { grid-template-columns: repeat(2, 1fr); } .charts { grid-template-columns: 1fr; }
}
@media print {
  html { font-size: 10.3px; background: #fff; }
  body { max-width: none; margin: 0; padding: 0; border: 0; }
  .tile, .trouble, figure, tr, .verdict { break-inside: avoid; }
  .over-time { break-before: page; }
  h2, h3, .sub { break-after: avoid; } thead { display: table-header-group; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
