import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { optionOf } from "../../apps/cli/options/config-flags.js";
import { withSwitchValues } from "../../apps/cli/options/switches.js";

const flag = { flag: "--mask-pads", key: "pads", text: "hide them" };
const root = () => {
  const command = new Command("run")
    .argument("[folder]")
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.addOption(optionOf(flag)).option("--name <text>");
};

function parsed(line: string) {
  const command = root();
  command.action(() => {});
  command.parse(withSwitchValues(command, line.split(" ").filter(Boolean)), { from: "user" });
  return { maskPads: command.opts().maskPads, folder: command.args[0] };
}

describe("a switch as people write it", () => {
  test.each([
    ["", undefined],
    ["--mask-pads", true],
    ["--mask-pads yes", true],
    ["--mask-pads True", true],
    ["--mask-pads=1", true],
    ["--mask-pads on", true],
    ["--mask-pads no", false],
    ["--mask-pads False", false],
    ["--mask-pads=FALSE", false],
    ["--mask-pads 0", false],
    ["--mask-pads off", false],
  ])("%s", (line, maskPads) => {
    expect(parsed(`${line} runs/own`)).toEqual({ maskPads, folder: "runs/own" });
  });

  test("what is neither", () => expect(() => parsed("--mask-pads=perhaps")).toThrow("It is yes or no"));
});
