import { platform } from "#platform";
import { io } from "../../../engine/index.js";
import { readMedMoeConfig } from "./config.js";
import { towerFolder } from "./describe.js";
import { hasCheckpoint } from "./load.js";
import { isHubName, TOWER_PREFIX } from "./names.js";

/**
 * The hub's name of the vision tower that a model needs and does not have, neither in its weights nor as a folder; null where it
 * lacks none, or nothing says which. `base` is the language model of a folder of stage 1.
 */
export async function missingTower(folder: string, base?: string): Promise<string | null> {
  const homes = base === undefined ? [folder] : [folder, base];
  let name: string | null = null;
  for (const home of homes)
    if (name === null && (await platform.exists(`${home}/config.json`)))
      name = (await readMedMoeConfig(home)).vision.tower;
  if (!isHubName(name)) return null;
  for (const home of homes) {
    if ((await towerFolder(home, name)) !== null) return null;
    if (!(await hasCheckpoint(home))) continue;
    await using reader = await io.openCheckpoint(home);
    return reader.has(`${TOWER_PREFIX}vision_model.pre_layrnorm.weight`) ? null : name;
  }
  return null;
}
