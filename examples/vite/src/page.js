// The page: asks a model of model.js, near (this thread) or far (a worker), and shows what it says.
import { lossCurve } from "./curve.js";

/** Of VQA-RAD: two each of chest, head and abdomen, which the model did not see in training. */
const IMAGES = [
  "synpic100228.jpg",
  "synpic17153.jpg",
  "synpic20260.jpg",
  "synpic15006.jpg",
  "synpic23631.jpg",
  "synpic22156.jpg",
];
const QUESTIONS = [
  "Which part of the body does this image show?",
  "Is this an image of the chest?",
  "Is this an image of the head?",
];
/** Steps of an epoch: 60 questions, six a step. */
const PER_EPOCH = 10;

const MARKUP = `
<h1>Questions about radiographs</h1>
<p class="quiet">MISS-tiny, a vision-language model of 0.7 million parameters, answers and learns in this page, by WebGPU.
Images: VQA-RAD, CC0. A demonstration: its answers are no medical advice.</p>
<p class="quiet" id="device" role="status">Looking for WebGPU …</p>
<progress id="download" aria-label="Download" value="0" hidden></progress>
<div role="alert" id="error"></div>

<h2>Ask</h2>
<form id="ask">
  <fieldset class="images"><legend class="quiet">An image</legend></fieldset>
  <div class="row"><label for="url" class="quiet">or its address</label><input id="url" type="text" placeholder="https://…/image.png" inputmode="url">
  <label for="file" class="quiet">or a file</label><input id="file" type="file" accept="image/*"></div>
  <div class="row"><input id="question" list="questions" required aria-label="Question" value="${QUESTIONS[0]}"><datalist id="questions"></datalist>
  <button class="main" disabled>Ask</button></div>
  <output id="answer" for="question" aria-live="polite"></output>
</form>

<h2>Train</h2>
<p class="quiet">From random weights, on 60 questions about 20 images. Afterwards, answers come from what it learned here.</p>
<div class="row"><label for="steps">Steps</label><select id="steps"><option>20</option><option selected>100</option><option>400</option></select>
<button id="train" class="main" disabled>Train</button><button id="stop" disabled>Stop</button><span class="quiet" id="progress" role="status"></span></div>
<svg id="curve"></svg>`;

/**
 * Fills `root`. `connect(data, tell)` gives the model; `data` is the address of the data folder. Resolves when the model
 * is ready, or has said why not.
 */
export async function start(root, data, connect) {
  root.innerHTML = MARKUP;
  const find = (id) => root.querySelector(`#${id}`);
  const curve = lossCurve(find("curve"));
  const folder = new URL(data, location.href).href.replace(/\/$/, "");
  showChoices(root, folder);

  const model = connect(folder, (event) => {
    if (event.type === "download") showDownload(find("download"), event);
    else if (event.type === "ready" && event.resumedAt === 0) curve.reset(event.steps);
    else if (event.type === "step") {
      curve.add(event.loss);
      find("progress").textContent = `step ${event.step} of ${event.steps}, loss ${event.loss.toFixed(3)}`;
    }
  });

  /** Runs `work` with the buttons off; what goes wrong is shown in words. */
  async function busy(work, stoppable = false) {
    // The steps too: what is stopped goes on with as many as it began with.
    const buttons = root.querySelectorAll("button, #steps");
    find("error").textContent = "";
    for (const button of buttons) button.disabled = button.id !== "stop" || !stoppable;
    try {
      await work();
    } catch (error) {
      find("error").textContent = error.message;
    }
    find("download").hidden = true;
    for (const button of buttons) button.disabled = button.id === "stop" || (button.id !== "steps" && !ready);
  }

  let ready = false;
  /** Epochs of the training that was stopped and can go on. */
  let paused = null;
  find("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(async () => {
      find("answer").textContent = "…";
      try {
        const { answer, probability } = await model.answer(await chosenImage(root), find("question").value);
        find("answer").textContent = `${answer} (${Math.round(100 * probability)} %)`;
      } catch (error) {
        find("answer").textContent = "";
        throw error;
      }
    });
  });
  root.querySelector(".images").addEventListener("change", () => {
    for (const id of ["url", "file"]) find(id).value = "";
  });
  find("steps").addEventListener("change", () => {
    paused = null;
    find("train").textContent = "Train";
  });
  find("train").addEventListener("click", () =>
    busy(async () => {
      find("progress").textContent = "reading the questions …";
      const epochs = paused ?? Number(find("steps").value) / PER_EPOCH;
      try {
        const { interrupted, steps } = await model.train(epochs, paused !== null);
        paused = interrupted ? epochs : null;
        find("progress").textContent = interrupted
          ? `stopped after step ${steps}`
          : `${steps} steps done: answers come from the new weights`;
      } catch (error) {
        // Stopped while it read: what was stopped before can still go on.
        find("progress").textContent = error.name === "AbortError" ? "stopped before a step" : "";
        if (error.name !== "AbortError") throw error;
      }
      find("train").textContent = paused === null ? "Train" : "Go on";
    }, true),
  );
  find("stop").addEventListener("click", () => model.stop());

  await busy(async () => {
    find("device").textContent = `Device: ${await model.open()}`;
    await model.load(`${folder}/miss-tiny-organ`);
    ready = true;
  });
}

function showChoices(root, folder) {
  const choice = (
    name,
    i,
  ) => `<label><input type="radio" name="image" value="${folder}/vqa-rad/images/${name}" ${i ? "" : "checked"}>
    <img src="${folder}/vqa-rad/images/${name}" alt="Radiograph ${i + 1}"></label>`;
  root.querySelector(".images").insertAdjacentHTML("beforeend", IMAGES.map(choice).join(""));
  root.querySelector("#questions").innerHTML = QUESTIONS.map((question) => `<option>${question}</option>`).join("");
}

/** A file before an address before a picture: what needs most work to give. */
async function chosenImage(root) {
  const [file] = root.querySelector("#file").files;
  if (file) return new Uint8Array(await file.arrayBuffer());
  const url = root.querySelector("#url").value.trim();
  return url ? new URL(url, location.href).href : root.querySelector("[name=image]:checked").value;
}

function showDownload(bar, { loaded, total }) {
  bar.hidden = loaded === total;
  if (total) Object.assign(bar, { value: loaded, max: total });
  else bar.removeAttribute("value");
}
