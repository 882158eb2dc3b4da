#!/usr/bin/env node
// `npm run bench`: the command, with a report in runs/bench where its arguments name no file of their own. One or the other: a run
// that wrote half of it would leave a page and a document of different runs side by side.
const own = process.argv.slice(2);
const named = own.some((word) => /^(--(json|html|csv|page|help)|-h)(=|$)/.test(word));
if (!named) process.argv.push("--html", "runs/bench/report.html", "--json", "runs/bench/report.json");
process.argv.splice(2, 0, "bench");
await import("../bin/consilium.js");
