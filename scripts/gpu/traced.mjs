#!/usr/bin/env node
// What trace.mjs watches: a small training step that is captured, then replayed, back to back and without a read. The replays
// that count come after a pause, by which a trace tells them from what went before.
import { setTimeout as pause } from "node:timers/promises";
import { tasksOf } from "../../dist/bench/suites/index.js";
import { openDevice } from "../../dist/engine/index.js";

// Fewer than the device lets JavaScript be ahead: nobody waits for room.
const [kind = "cuda", replays = "40"] = process.argv.slice(2);
const PAUSE_MS = 200;

const device = await openDevice(kind);
const task = tasksOf("replay").tasks.find(({ op, shape }) => op === "replay" && shape.startsWith("tiny"));
const { contender } = await task.prepare(device);
contender.enqueue(3);
await device.finish();
await pause(PAUSE_MS);
contender.enqueue(Number(replays));
await device.finish();
contender.release();
device.close();
