// A loss over steps, as an SVG that grows with each step.
const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 44;
const BOTTOM = 28;

const make = (name, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

/** A step for four or five lines that reads well: 1, 2 or 5 times a power of ten. */
function tickStep(most) {
  const power = 10 ** Math.floor(Math.log10(most / 4));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => most / step <= 5);
}

/** Draws into `svg`; `add` takes the loss of the next step, `reset` begins anew with the number of steps to come. */
export function lossCurve(svg) {
  let values = [];
  let steps = 1;

  function draw() {
    if (values.length === 0) return svg.replaceChildren();
    const most = Math.max(...values, 1e-3);
    const x = (step) => LEFT + ((step - 1) / Math.max(1, steps - 1)) * (WIDTH - LEFT - 8);
    const y = (loss) => HEIGHT - BOTTOM - (loss / most) * (HEIGHT - BOTTOM - 12);
    const last = values.at(-1);
    const said = `From ${values[0].toFixed(2)} at step 1 to ${last.toFixed(2)} at step ${values.length} of ${steps}.`;
    const parts = [make("title", {}, "Training loss"), make("desc", {}, said)];
    const step = tickStep(most);
    for (let tick = 0; tick <= most; tick += step)
      parts.push(
        make("line", { class: "grid", x1: LEFT, x2: WIDTH - 8, y1: y(tick), y2: y(tick) }),
        make("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, String(+tick.toPrecision(3))),
      );
    parts.push(
      make("text", { x: LEFT, y: HEIGHT - 8 }, "step 1"),
      make("text", { x: WIDTH - 8, y: HEIGHT - 8, "text-anchor": "end" }, `step ${steps}`),
    );
    const points = values.map((loss, i) => `${x(i + 1).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
    parts.push(make("polyline", { class: "line", points }));
    parts.push(make("circle", { class: "dot", cx: x(values.length), cy: y(last), r: 3.5 }));
    svg.replaceChildren(...parts);
  }

  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("role", "img");
  draw();
  return {
    reset(count) {
      values = [];
      steps = count;
      draw();
    },
    add(loss) {
      values.push(loss);
      draw();
    },
  };
}
