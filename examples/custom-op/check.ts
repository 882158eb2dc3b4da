// Forward and gradient on each device against the reference, and the reference's gradient against differences:
//   node check.js cpu webgpu
import { type DeviceName, openDevice } from "consilium";
import { checkOp } from "consilium/extend";
import { table } from "./cases.js";
import { squaredReluOp } from "./squared-relu.js";

for (const name of process.argv.slice(2) as DeviceName[]) {
  using device = await openDevice(name, { debug: true });
  for (const line of await checkOp(squaredReluOp, table, [device])) console.log(line);
}
