/** Light and dark by the reader's setting; light in print. Contrast of text is at least 4.5 : 1 in both. */
export const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --page: #ffffff; --card: #f6f8fa; --rule: #d8dee4;
  --accent: #0b6e99; --baseline: #afb8c1; --good: #1a7f37; --bad: #b3261e; --warn: #fff4ce; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9aa5b1; --page: #0f1419; --card: #171d24;
  --rule: #303a45; --accent: #4db5e0; --baseline: #566270; --good: #4ac26b; --bad: #ff8b80; --warn: #3b3210; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 54rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
.quiet { color: var(--quiet); }
.notice { background: var(--warn); border: 1px solid var(--rule); border-radius: 6px; padding: .6rem .9rem; margin: 1rem 0; max-width: none; }
figure { margin: 1.25rem 0; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .tick { fill: var(--quiet); font-size: 12px; font-weight: 400; }
svg .group { font-weight: 600; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
svg .line.faint { stroke-width: 1; opacity: .3; }
svg rect { fill-opacity: .75; }
svg rect.model, svg rect.expert { fill: var(--accent); }
svg rect.baseline { fill: var(--baseline); }
svg .interval { stroke: var(--ink); stroke-width: 1.25; fill: none; }
details { margin: .25rem 0 0; }
summary { color: var(--quiet); cursor: pointer; font-size: .875rem; }
table { border-collapse: collapse; font-size: .875rem; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; font-weight: 400; }
thead th { font-weight: 600; }
.scroll { overflow-x: auto; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; margin: 1rem 0; }
dl div { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .5rem .75rem; }
dt { color: var(--quiet); font-size: .8rem; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); gap: 1rem; list-style: none; padding: 0; }
.gallery li { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; overflow: hidden; font-size: .875rem; }
.gallery img { display: block; width: 100%; height: 11rem; object-fit: contain; background: #000; }
.gallery div { padding: .5rem .75rem .7rem; line-height: 1.4; }
.gallery .right { color: var(--good); font-weight: 600; }
.gallery .wrong { color: var(--bad); font-weight: 600; }
.hidden { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
@media print {
  :root { color-scheme: light; --ink: #000; --quiet: #444; --page: #fff; --card: #fff; --rule: #bbb; --accent: #0b6e99;
    --baseline: #bbb; --good: #1a7f37; --bad: #b3261e; --warn: #fff; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  figure, .gallery li, dl div, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  h2, h3 { break-after: avoid; }
  rect, img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}`;
