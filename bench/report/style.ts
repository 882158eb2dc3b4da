/** Behind the style of all reports (apps/report/style.ts). Blue is ours, orange a peer's; marks and dashes say the same. */
export const style = `
:root { --ours: #0b6e99; --theirs: #c2570c; --third: #6b4fa0; --fourth: #3f7d20; }
@media (prefers-color-scheme: dark) { :root { --ours: #4db5e0; --theirs: #f2994a; --third: #b79df0; --fourth: #8fd06a; } }
body { max-width: 76rem; }
a { color: var(--ours); }
.measure { max-width: 46rem; }
figure svg { overflow: visible; }
h2 + figure, h3 + figure { margin-top: .5rem; }
svg .axis, svg .shape { fill: var(--quiet); font-weight: 400; font-size: 12px; }
svg .number { font-variant-numeric: tabular-nums; }
svg .even { stroke: var(--ink); stroke-width: 1; }
svg rect.faster { fill: var(--ours); fill-opacity: .85; }
svg rect.slower { fill: var(--theirs); fill-opacity: .85; }
svg rect.even { fill: var(--baseline); stroke: none; fill-opacity: 1; }
svg rect.control { fill: none; stroke: var(--quiet); stroke-width: 1.25; stroke-dasharray: 3 2; }
svg .roof { stroke: var(--ink); stroke-width: 1.75; }
svg .stem { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 1 3; }
svg .point { font-size: 11px; font-weight: 600; }
svg .mark { stroke: var(--page); stroke-width: 1; }
svg .series { stroke-width: 2; fill: none; }
svg path.ours { fill: var(--ours); } svg .series.ours { stroke: var(--ours); }
svg path.peer-1 { fill: var(--theirs); } svg .series.peer-1 { stroke: var(--theirs); stroke-dasharray: 7 3; }
svg path.peer-2 { fill: var(--third); } svg .series.peer-2 { stroke: var(--third); stroke-dasharray: 2 3; }
svg path.peer-3 { fill: var(--fourth); } svg .series.peer-3 { stroke: var(--fourth); stroke-dasharray: 9 3 2 3; }
svg path.peer-4 { fill: var(--quiet); } svg .series.peer-4 { stroke: var(--quiet); stroke-dasharray: 4 4; }
svg rect.phase { stroke: var(--page); stroke-width: 1; }
svg rect.phase.forward { fill: var(--ours); } svg rect.phase.backward { fill: var(--theirs); }
svg rect.phase.odd { fill-opacity: .6; } svg rect.phase.even { fill-opacity: .3; stroke-width: 1; }
svg .piece { font-size: 12px; font-weight: 600; }
svg a:focus-visible { outline: none; }
svg a:focus-visible .mark { stroke: var(--ink); stroke-width: 2.5; }
.legend, .key { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .4rem 0; padding: 0; font-size: .875rem; }
.legend { list-style: none; }
.legend svg { display: inline-block; width: 16px; height: 14px; vertical-align: -2px; }
.key { list-style-position: inside; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
figcaption { overflow-wrap: anywhere; }
th span[id]:target, tr:has(:target) { background: var(--warn); }
table { font-size: .8125rem; line-height: 1.4; }
thead th { vertical-align: bottom; }
td { white-space: nowrap; } .long { display: block; min-width: 14rem; white-space: normal; } tbody th { min-width: 16rem; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .75rem; overflow-x: auto; }
@media (max-width: 40rem) { tbody th { min-width: 11rem; } .plot:has(a) { overflow-x: auto; } .plot:has(a) svg[role] { min-width: 38rem; } }
@media print {
  :root { --ours: #0b6e99; --theirs: #c2570c; --third: #6b4fa0; --fourth: #3f7d20; }
  @page { size: landscape; margin: 12mm; }
  table { font-size: 7.5pt; } td, tbody th, .long { min-width: 0; padding-right: .5rem; white-space: normal; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}`;
