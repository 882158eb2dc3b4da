import { expect, test } from "vitest";
import type { ReportData } from "../../apps/report/data.js";
import { renderReport } from "../../apps/report/report.js";

const history = Array.from({ length: 5000 }, (_, i) => 10 / (1 + i / 100));
const data: ReportData = {
  title: "A <report> & its title",
  lede: "About",
  notices: [{ head: "Smoke run", text: "means <nothing>" }],
  sources: "From here & there",
  environment: [{ name: "device", value: '"cpu" <b>' }],
  departures: [["scaling: ordinary", "why & how"]],
  stages: [
    {
      id: "stage",
      title: "Stage",
      about: "About",
      facts: [],
      leak: "2 of 3 questions <of training>",
      history: { loss: history, lr: history },
      groups: [
        { label: "All", total: 4, bars: [{ label: "this model", kind: "model", share: 0.75, low: 0.3, high: 0.95 }] },
        { label: "None", total: 0, bars: [{ label: "this model", kind: "model", share: Number.NaN, low: 0, high: 1 }] },
      ],
      comparison: "",
      gallery: [
        {
          image: "data:image/jpeg;base64,AAAA",
          question: "Is <script>alert(1)</script> escaped?",
          answer: "yes",
          prediction: "no",
          probability: 0.5,
          correct: false,
        },
      ],
    },
  ],
};

test("text is escaped, nothing is loaded, nothing runs", () => {
  const page = renderReport(data);
  expect(page).toContain("A &lt;report&gt; &amp; its title");
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(page).not.toMatch(/<script|https?:|url\(|@import/);
});

test("what a reader has to know first is said, escaped: notices, and what the test shares with training", () => {
  const page = renderReport(data);
  expect(page).toContain("<strong>Smoke run</strong> means &lt;nothing&gt;");
  expect(page).toContain("2 of 3 questions &lt;of training&gt;");
  const [stage] = data.stages;
  expect(renderReport({ ...data, stages: [{ ...stage, leak: null }] })).not.toContain("shares rows with training");
});

test("without images no picture is in the page, and it says how to get them; without a training no curve", () => {
  const [stage] = data.stages;
  const gallery = stage.gallery.map((item) => ({ ...item, image: null }));
  const page = renderReport({ ...data, stages: [{ ...stage, gallery, history: null }] });
  expect(page).not.toMatch(/<img|data:image/);
  expect(page).toContain("--report-images");
  expect(page.match(/<svg/g)).toHaveLength(1);
  expect(renderReport(data)).toContain('<img src="data:image/jpeg;base64,AAAA"');
});

test("each plot has a title, a description and its numbers in a table; no plot holds NaN", () => {
  const page = renderReport(data);
  const plots = page.match(/<svg.*?<\/svg>/gs) ?? [];
  expect(plots).toHaveLength(3);
  for (const plot of plots) {
    const [, title, description] = /aria-labelledby="(\S+) (\S+)"/.exec(plot) ?? [];
    expect(plot).toContain(`<title id="${title}">`);
    expect(plot).toContain(`<desc id="${description}">`);
    expect(plot).not.toContain("NaN");
  }
  expect(page.match(/<summary>Numbers<\/summary>/g)).toHaveLength(3);
});

test("a long run is thinned: the page stays small, and its curve ends at the last step", () => {
  const page = renderReport(data);
  expect(page.length).toBeLessThan(60_000);
  expect(page).toContain("at step 5000");
});
