/** Tells a story: `node dist/examples/stories260k/main.js [device] [tokens]`. */
import { readFile } from "node:fs/promises";
import { type DeviceName, openDevice } from "consilium";
import { loadLlama } from "./checkpoint.js";
import { greedy } from "./generate.js";
import { Vocabulary } from "./vocabulary.js";

const BOS = 1;
const DATA = "data/stories260k";

const [name, tokens = "200"] = process.argv.slice(2);
using device = await openDevice(name as DeviceName | undefined);
using model = loadLlama(await readFile(`${DATA}/stories260K.bin`), device);
const vocabulary = new Vocabulary(await readFile(`${DATA}/tok512.bin`), model.config.vocabulary);

const ids: number[] = [];
const begin = performance.now();
for await (const id of greedy(model, BOS, Number(tokens))) ids.push(id);
const seconds = (performance.now() - begin) / 1000;

console.log(vocabulary.decode(ids));
console.log(`\n${device.name} (${device.description}): ${(ids.length / seconds).toFixed(0)} tokens/s`);
