/** The page's style: one column that fits a phone, light and dark; wide things scroll in a box. */
import { SUBJECTS } from "../servers/subjects.ts";

const SERIES = Object.keys(SUBJECTS).map((_, n) =>
  `.s${n} { background: var(--c${n}); fill: var(--c${n}); } .l${n} { stroke: var(--c${n}); }`
);

export const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1c2024; --soft: #5a636d; --faint: #d5d9de;
  --box: #f4f6f8; --bad: #b3261e; --good: #1b7f3b; --link: #0b57ad; --c0: #8b949e; --c1: #a9b1ba;
  --c2: #0b62c4; --c3: #3f9be8; --c4: #0d7f74; --c5: #38ada0; --c6: #b25b00; --c7: #d98c2b;
  --c8: #6b4fa3; --c9: #8f76c4; --c10: #c2410c; --c11: #b0307a; --c12: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --ink: #e4e7ea; --soft: #a3acb5;
  --faint: #3a4048; --box: #1e2329; --bad: #ff8a80; --good: #6fd08c; --link: #7cb7ff; --c2: #4d94e8;
  --c4: #2fa396; --c5: #86dccf; --c8: #937bcc; --c9: #b3a0dd; --c10: #f0743e; --c11: #dd6aac; --c12: #4d94e8; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { margin: 0 0 .5rem; } a { color: var(--link); }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.25rem; line-height: 1.3; }
h3 { margin: 1.2rem 0 .4rem; font-size: 1rem; }
.banner { background: var(--box); border-left: 4px solid var(--soft); padding: .6rem .9rem;
  border-radius: 4px; font-weight: 600; }
.note { color: var(--soft); } nav { background: var(--box); border-radius: 6px;
  padding: .6rem .9rem; } nav ul { margin: .3rem 0 0; padding: 0; list-style: none;
  columns: 22rem; column-gap: 2rem; } nav li { break-inside: avoid; padding: .2rem 0; }
.row { display: grid; grid-template-columns: 19rem 1fr 7.5rem; gap: .7rem; align-items: center;
  padding: .2rem 0; } .name { line-height: 1.25; } .value { font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.track { position: relative; height: 1.1rem; display: block; } .track i { position: absolute; }
.bar { left: 0; top: 0; bottom: 0; border-radius: 2px; min-width: 1px; }
.range { top: calc(50% - .75px); height: 1.5px; background: var(--ink); }
.dot { width: .85rem; height: .85rem; border-radius: 50%; display: inline-block; }
.track .dot { top: .125rem; margin-left: -.425rem; }
.tick { top: -.2rem; bottom: -.2rem; width: 1px; background: var(--faint); }
.axis { color: var(--soft); font-size: .8rem; } .axis b { position: absolute; font-weight: normal;
  transform: translateX(-50%); } .axis b:first-child { transform: none; }
.axis b:last-child { transform: translateX(-100%); }
svg { display: block; width: 100%; max-width: 36rem; height: auto; font-size: 13px; }
svg text { fill: var(--ink); } .grid { stroke: var(--faint); }
polyline { fill: none; stroke-width: 2; } .legend { list-style: none; padding: 0; margin: .3rem 0;
  display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; } .legend .dot { margin-right: .4rem;
  vertical-align: -1px; }
.box { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--faint); }
.wide td:first-child { min-width: 8rem; } .wide td span { display: block; white-space: nowrap; }
.targets td:nth-child(3) { white-space: nowrap; }
.met { color: var(--good); } .missed { color: var(--bad); } .met, .missed { white-space: nowrap; }
pre { overflow-x: auto; font-size: 12px; background: var(--box); padding: .7rem;
  border-radius: 6px; }
@media (max-width: 44rem) {
  .row { grid-template-columns: 1fr 7.5rem; gap: 0 .7rem; }
  .name { grid-column: 1 / -1; } .axis .name { order: 2; }
  td, th { padding-right: .5rem; font-size: 14px; }
}
${SERIES.join("\n")}
`;
