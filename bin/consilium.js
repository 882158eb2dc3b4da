#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../dist/apps/cli/main.js", import.meta.url);
if (!existsSync(main)) {
  console.error("consilium: not built yet. Run: npm run setup");
  process.exit(1);
}
await import(main.href);
