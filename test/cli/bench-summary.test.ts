import { describe, expect, it } from "vitest";
import { summary } from "../../apps/cli/bench/summary.js";
import { fasterOf } from "../../bench/ceilings/index.js";
import { ceiling, document, peer, row } from "../bench/report/report-document.js";

const slower = { ...ceiling, flopsPerSecond: 0.6 * ceiling.flopsPerSecond, launchSeconds: 1e-6 };

describe("what the terminal says of the machine", () => {
  it("its speed is that of the faster measurement, and how far apart they are", () => {
    for (const found of [fasterOf(ceiling, slower), fasterOf(slower, ceiling)]) {
      expect(found).toMatchObject({ ...ceiling, launchSeconds: 1e-6 });
      expect(found.drift).toBeCloseTo(0.4, 12);
    }
    expect(fasterOf(ceiling, ceiling).drift).toBe(0);
  });

  it("shares of the limit are guesses where that changed", () => {
    expect(summary(document())).not.toContain("guesses");
    expect(summary(document({ ceilings: [fasterOf(ceiling, ceiling)] }))).not.toContain("guesses");
    expect(summary(document({ ceilings: [fasterOf(slower, ceiling)] }))).toContain(
      "before and after the rows they differ by 40.0 %: the machine's own speed changed",
    );
  });

  it("a ratio has its interval where that is wide", () => {
    const wide = peer(1500, { intervalUs: [800, 2700] });
    const text = summary(document({ rows: [row({ peers: { torch: wide } })] }));
    expect(text).toMatch(/1500 \(15\.00, 7\.99 to 27\.\d\d\)/);
    expect(summary(document({ rows: [row({ peers: { torch: peer(150) } })] }))).toContain("150 (1.50)");
  });

  it("the processor's time misleads of peers that spin", () => {
    const busy = summary(document({ rows: [row({ othersCpu: 0.5 })] }));
    expect(busy).toMatch(/Other work took up to 50\.0 % of the cores: .*spin while they wait/);
  });
});
