// npm's install script. Builds the native addon where that can be done, and fails no installation: `webgpu` and `reference`
// need none. `npx consilium setup` does the same later, or where install scripts do not run, and says more.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildAddon, isBuilt, obstacle, root } from "./native-addon.mjs";

const leftOut = (why) =>
  console.log(`consilium: without device "cpu" (${why}); webgpu and reference work. To add it: npx consilium setup`);

try {
  // A clone has `npm run setup`, which does more.
  if (!existsSync(join(root, "tsconfig.json")) && !isBuilt()) {
    const why = obstacle();
    if (why) leftOut(why);
    else await buildAddon();
  }
} catch (error) {
  leftOut(error.message.split("\n")[0]);
}
