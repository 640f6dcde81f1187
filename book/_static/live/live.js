// Segment Anything in the page: pictures, prompts and masks here, the networks in a worker, no server.
//
// Pages opened from a folder may neither fetch a file nor import a module. Classic scripts may be loaded: the runtime
// and the networks come as strings in such scripts, and become a module and a worker through blobs.
"use strict";

(() => {
  const box = document.getElementById("live-sam");
  const still = document.getElementById("live-sam-still");
  if (!box) return;
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const canvas = part("canvas");
  const brush = canvas.getContext("2d");
  const LONGEST = 512; // of the picture on the canvas, pixels
  const BLUE = [0, 114, 178], YELLOW = [240, 228, 66];

  const state = {
    picture: null, width: 0, height: 0, // of the canvas
    inner: [0, 0], // height and width of the picture in the network's input
    prompts: [], corner: null, cursor: null, chosen: null, answer: null, embedded: false, name: "",
  };

  // ---- the worker: two networks, one after the other

  function work() {
    let ort, encoder, decoder, embedding;
    const unpack = (text) => {
      if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
      const letters = atob(text), bytes = new Uint8Array(letters.length);
      for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
      return bytes;
    };
    const inflate = async (bytes) => {
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      return new Uint8Array(await new Response(stream).arrayBuffer());
    };
    const jobs = {
      async open({ runtime, model }) {
        const code = new Blob([runtime.module], { type: "text/javascript" });
        ort = await import(URL.createObjectURL(code));
        ort.env.wasm.wasmBinary = await inflate(unpack(runtime.wasm));
        ort.env.wasm.numThreads = 1; // threads need a server that sends two headers
        decoder = await ort.InferenceSession.create(unpack(model), { executionProviders: ["wasm"] });
      },
      async openEncoder({ model }) {
        encoder = await ort.InferenceSession.create(unpack(model), { executionProviders: ["wasm"] });
      },
      async place({ values, shape }) {
        embedding = new ort.Tensor("float32", new Float32Array(unpack(values).buffer), shape);
      },
      async embed({ pixels, side }) {
        const image = new ort.Tensor("float32", pixels, [1, 3, side, side]);
        embedding = (await encoder.run({ image })).image_embeddings;
      },
      async decode({ coords, labels, low }) {
        const n = labels.length;
        const found = await decoder.run({
          image_embeddings: embedding,
          point_coords: new ort.Tensor("float32", Float32Array.from(coords), [1, n, 2]),
          point_labels: new ort.Tensor("float32", Float32Array.from(labels), [1, n]),
          mask_input: new ort.Tensor("float32", new Float32Array(low * low), [1, 1, low, low]),
          has_mask_input: new ort.Tensor("float32", new Float32Array(1), [1]),
        });
        return { logits: found.low_res_masks.data, iou: Array.from(found.iou_predictions.data) };
      },
    };
    self.onmessage = async ({ data }) => {
      try {
        self.postMessage({ id: data.id, value: await jobs[data.job](data) });
      } catch (error) {
        self.postMessage({ id: data.id, error: String(error?.message ?? error) });
      }
    };
  }

  let worker, broken, queue = Promise.resolve(), number = 0;
  const waiting = new Map();

  function ask(job, values) {
    // One job after the other: an answer never meets another picture's embedding.
    const next = queue.then(() => new Promise((resolve, reject) => {
      if (broken) throw broken;
      waiting.set(++number, { resolve, reject });
      worker.postMessage({ id: number, job, ...values });
    }));
    queue = next.catch(() => {});
    return next;
  }

  function startWorker() {
    const code = new Blob([`(${work})()`], { type: "text/javascript" });
    worker = new Worker(URL.createObjectURL(code)); // of a module, Chromium would refuse it to a folder
    worker.onmessage = ({ data }) => {
      const { resolve, reject } = waiting.get(data.id);
      waiting.delete(data.id);
      if ("error" in data) reject(new Error(data.error));
      else resolve(data.value);
    };
    worker.onerror = (event) => {
      broken = new Error(event.message || "it starts no worker");
      for (const { reject } of waiting.values()) reject(broken);
      waiting.clear();
    };
  }

  const load = (name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = folder + name;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${name} cannot be loaded`));
    document.head.append(script);
  });

  // ---- numbers: from the picture to the network's input, from its logits to a mask

  function toInput() {
    const { side, mean } = window.liveSamModels;
    const scale = side / Math.max(state.width, state.height);
    const [height, width] = [state.height, state.width].map((x) => Math.floor(x * scale + 0.5));
    state.inner = [height, width];
    const small = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    small.imageSmoothingQuality = "high";
    small.drawImage(state.picture, 0, 0, width, height);
    const bytes = small.getImageData(0, 0, width, height).data;
    const pixels = new Float32Array(3 * side * side);
    for (let c = 0; c < 3; c++) {
      pixels.fill(mean[c], c * side * side, (c + 1) * side * side);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          pixels[(c * side + y) * side + x] = bytes[4 * (y * width + x) + c];
    }
    return { pixels, side };
  }

  function resize(from, height, width, toHeight, toWidth, stride = width) {
    // Bilinear, pixel centres at halves, as PyTorch does without align_corners.
    const out = new Float32Array(toHeight * toWidth);
    for (let y = 0; y < toHeight; y++) {
      const v = Math.max(0, (y + 0.5) * height / toHeight - 0.5);
      const y0 = Math.floor(v), y1 = Math.min(y0 + 1, height - 1), b = v - y0;
      for (let x = 0; x < toWidth; x++) {
        const u = Math.max(0, (x + 0.5) * width / toWidth - 0.5);
        const x0 = Math.floor(u), x1 = Math.min(x0 + 1, width - 1), a = u - x0;
        const above = from[y0 * stride + x0] * (1 - a) + from[y0 * stride + x1] * a;
        const below = from[y1 * stride + x0] * (1 - a) + from[y1 * stride + x1] * a;
        out[y * toWidth + x] = above * (1 - b) + below * b;
      }
    }
    return out;
  }

  function maskOf(answer, which) {
    const { side, low } = window.liveSamModels;
    const logits = answer.logits.subarray(which * low * low, (which + 1) * low * low);
    const square = resize(logits, low, low, side, side);
    const [height, width] = state.inner; // the rest is padding
    return resize(square, height, width, state.height, state.width, side).map((x) => (x > 0 ? 1 : 0));
  }

  // ---- drawing

  function draw() {
    brush.drawImage(state.picture, 0, 0, state.width, state.height);
    if (state.answer) drawMask(state.answer.mask);
    for (const p of state.prompts) p.kind === "box" ? drawBox(p) : drawPoint(p);
    if (state.corner && state.cursor) drawBox({ ...state.corner, x1: state.cursor.x, y1: state.cursor.y });
    if (state.cursor && document.activeElement === canvas) drawCursor();
  }

  function drawMask(mask) {
    const { width, height } = state;
    const image = brush.getImageData(0, 0, width, height);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) {
        if (!mask[i]) continue;
        const inside = x > 1 && y > 1 && x < width - 2 && y < height - 2
          && mask[i - 2] && mask[i + 2] && mask[i - 2 * width] && mask[i + 2 * width];
        const colour = inside ? BLUE : YELLOW, share = inside ? 0.45 : 1;
        for (let c = 0; c < 3; c++)
          image.data[4 * i + c] += share * (colour[c] - image.data[4 * i + c]);
      }
    brush.putImageData(image, 0, 0);
  }

  function drawPoint({ x, y, label }) {
    // Shape and sign say what it is, not colour alone.
    brush.lineWidth = 2.5;
    brush.strokeStyle = "#fff";
    brush.fillStyle = label ? "#0072b2" : "#a33b00";
    brush.beginPath();
    if (label) brush.arc(x, y, 9, 0, 7);
    else brush.rect(x - 8, y - 8, 16, 16);
    brush.fill();
    brush.stroke();
    brush.beginPath();
    brush.moveTo(x - 4, y);
    brush.lineTo(x + 4, y);
    if (label) {
      brush.moveTo(x, y - 4);
      brush.lineTo(x, y + 4);
    }
    brush.stroke();
  }

  function drawBox({ x0, y0, x1, y1 }) {
    for (const [style, width] of [["#000", 4], ["#fff", 2]]) {
      brush.strokeStyle = style;
      brush.lineWidth = width;
      brush.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
  }

  function drawCursor() {
    const { x, y } = state.cursor;
    for (const [style, width] of [["#000", 3.5], ["#fff", 1.5]]) {
      brush.strokeStyle = style;
      brush.lineWidth = width;
      brush.beginPath();
      brush.moveTo(x - 14, y);
      brush.lineTo(x + 14, y);
      brush.moveTo(x, y - 14);
      brush.lineTo(x, y + 14);
      brush.stroke();
    }
  }

  // ---- what happens

  const say = (text) => { part("status").textContent = text; };

  function usual() {
    // SAM's own habit: one click is ambiguous, so the most confident of three; more prompts, the single mask.
    const few = state.prompts.length === 1 && state.prompts[0].kind === "point";
    if (!few) return 0;
    const iou = state.answer.iou;
    return [1, 2, 3].reduce((best, k) => (iou[k] > iou[best] ? k : best));
  }

  function showAnswer() {
    const which = state.chosen ?? usual();
    const { answer } = state;
    answer.which = which;
    answer.mask = maskOf(answer, which);
    box.querySelectorAll('input[name="live-sam-mask"]').forEach((input) => {
      input.checked = Number(input.value) === which;
      input.parentElement.querySelector("output").textContent = answer.iou[input.value].toFixed(2);
    });
    const share = answer.mask.reduce((a, b) => a + b, 0) / answer.mask.length;
    draw();
    say(`${state.prompts.length === 1 ? "1 prompt" : `${state.prompts.length} prompts`}: `
      + `the mask covers ${(100 * share).toFixed(1)} % of the picture, predicted IoU ${answer.iou[which].toFixed(2)}, `
      + `answered in ${answer.milliseconds.toFixed(0)} ms.`);
  }

  async function answer() {
    part("masks").disabled = !state.prompts.length;
    if (!state.prompts.length) {
      state.answer = null;
      draw();
      say("Click on something in the picture.");
      return;
    }
    if (!state.embedded) return draw(); // it is asked again when the picture has been looked at
    const { side, low } = window.liveSamModels;
    const scale = side / Math.max(state.width, state.height);
    const coords = [], labels = [];
    const add = (x, y, label) => { coords.push(x * scale - 0.5, y * scale - 0.5); labels.push(label); };
    for (const p of state.prompts) if (p.kind === "point") add(p.x, p.y, p.label ? 1 : 0);
    const rectangle = state.prompts.findLast((p) => p.kind === "box");
    if (rectangle) {
      add(Math.min(rectangle.x0, rectangle.x1), Math.min(rectangle.y0, rectangle.y1), 2);
      add(Math.max(rectangle.x0, rectangle.x1), Math.max(rectangle.y0, rectangle.y1), 3);
    } else add(0.5 / scale, 0.5 / scale, -1);
    draw();
    const asked = state.prompts, begun = performance.now();
    const found = await ask("decode", { coords, labels, low });
    if (asked !== state.prompts) return; // another prompt came in between
    state.answer = { ...found, coords, labels, milliseconds: performance.now() - begun };
    showAnswer();
    performance.mark("live-sam-mask");
  }

  function change(prompts) {
    state.prompts = prompts;
    state.chosen = null;
    state.corner = null;
    return answer().catch(stop);
  }

  function addPrompt(prompt) {
    const kept = prompt.kind === "box" ? state.prompts.filter((p) => p.kind !== "box") : state.prompts;
    return change([...kept, prompt]);
  }

  async function show(picture, name, prompts, known) {
    const scale = LONGEST / Math.max(picture.width, picture.height);
    state.picture = picture;
    state.name = name;
    [state.width, state.height] = [picture.width, picture.height].map((x) => Math.max(1, Math.round(x * scale)));
    [canvas.width, canvas.height] = [state.width, state.height];
    canvas.setAttribute("aria-label", `${name}. Click, or move the cross with the arrow keys and press Enter.`);
    Object.assign(state, { prompts, corner: null, cursor: null, answer: null, chosen: null, embedded: false });
    draw();
    say("The encoder looks at the picture …");
    const input = toInput();
    await (known ? ask("place", known) : ask("embed", input));
    if (state.picture !== picture) return;
    state.embedded = true;
    performance.mark("live-sam-embedded");
    await answer();
  }

  const tool = () => box.querySelector('input[name="live-sam-tool"]:checked').value;

  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    const bound = (v, most) => Math.min(Math.max(v, 0), most);
    return {
      x: bound((event.clientX - frame.left) * state.width / frame.width, state.width),
      y: bound((event.clientY - frame.top) * state.height / frame.height, state.height),
    };
  };

  function press(at) {
    if (tool() !== "box") return addPrompt({ kind: "point", ...at, label: tool() === "inside" });
    if (!state.corner) {
      state.corner = { x0: at.x, y0: at.y };
      say("First corner set; choose the opposite one.");
      return draw();
    }
    return closeBox(at);
  }

  function closeBox(at) {
    const { x0, y0 } = state.corner;
    if (Math.min(Math.abs(at.x - x0), Math.abs(at.y - y0)) < 4) return undefined; // a click: the other corner follows
    return addPrompt({ kind: "box", x0, y0, x1: at.x, y1: at.y });
  }

  function listen() {
    let dragged = false;
    canvas.addEventListener("pointerdown", (event) => {
      if (tool() !== "box" || state.corner) return;
      state.cursor = place(event);
      dragged = true;
      canvas.setPointerCapture(event.pointerId);
      press(state.cursor);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!state.corner) return;
      state.cursor = place(event);
      draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      state.cursor = place(event);
      if (dragged) closeBox(state.cursor);
      else press(state.cursor);
      dragged = false;
    });
    canvas.addEventListener("pointercancel", () => { dragged = false; state.corner = null; draw(); });
    canvas.addEventListener("keydown", onKey);
    for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, () => state.picture && draw());
    part("undo").addEventListener("click", () => change(state.prompts.slice(0, -1)));
    part("clear").addEventListener("click", () => change([]));
    part("tools").addEventListener("change", () => {
      state.corner = null;
      canvas.style.touchAction = tool() === "box" ? "none" : "manipulation";
      draw();
    });
    part("masks").addEventListener("change", (event) => {
      state.chosen = Number(event.target.value);
      if (state.answer) showAnswer();
    });
    part("picture").addEventListener("change", (event) => sample(Number(event.target.value)).catch(stop));
    part("file").addEventListener("change", (event) => own(event.target.files[0]));
    box.addEventListener("dragover", (event) => event.preventDefault());
    box.addEventListener("drop", (event) => {
      event.preventDefault();
      own(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const file = [...event.clipboardData.files].find((f) => f.type.startsWith("image/"));
      if (file) own(file);
    });
  }

  function onKey(event) {
    const step = event.shiftKey ? 1 : 12;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const at = state.cursor ?? { x: state.width / 2, y: state.height / 2 };
    if (event.key in ways) {
      const [x, y] = ways[event.key];
      state.cursor = {
        x: Math.min(Math.max(at.x + x, 0), state.width), y: Math.min(Math.max(at.y + y, 0), state.height),
      };
      draw();
    } else if (event.key === "Enter" || event.key === " ") {
      state.cursor = at;
      press({ ...at });
    } else if (event.key === "Backspace") change(state.prompts.slice(0, -1));
    else if (event.key === "Escape") change([]);
    else return;
    event.preventDefault();
  }

  async function own(file) {
    if (!file) return;
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      say(`${file.name} is no picture that this browser reads; choose a PNG, JPEG or WebP file.`);
      return;
    }
    part("picture").value = "";
    show(picture, `Your picture ${file.name}`, []).catch(stop);
  }

  async function sample(index) {
    const { pictures } = window.liveSamModels;
    const { url, name, click, embedding } = pictures[index];
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    const scale = LONGEST / Math.max(picture.width, picture.height);
    const at = { kind: "point", x: (click[0] + 0.5) * scale, y: (click[1] + 0.5) * scale, label: true };
    await show(picture, name, [at], embedding);
  }

  function stop(error) {
    // The page must say something without the model as well.
    box.hidden = true;
    still.hidden = false;
    part("start").hidden = true;
    const note = document.getElementById("live-sam-note");
    note.textContent = `The model does not run in this browser (${error.message}), so these pictures, computed when `
      + "the book was built, stand for it.";
    worker?.terminate();
    console.warn("live SAM:", error);
  }

  async function start() {
    try {
      if (typeof WebAssembly !== "object") throw new Error("it has no WebAssembly");
      if (typeof DecompressionStream !== "function") throw new Error("it cannot decompress");
      box.hidden = false;
      still.hidden = true;
      part("start").hidden = true;
      say("Loading the model …");
      startWorker();
      await Promise.all([load("models.js"), load("runtime.js")]);
      performance.mark("live-sam-loaded");
      const { pictures, encoder, decoder } = window.liveSamModels;
      pictures.forEach(({ name }, index) => part("picture").append(new Option(name, index)));
      part("picture").value = "0";
      listen();
      // The first picture brings its embedding along, so its first mask need not wait for the encoder.
      const opened = ask("open", { runtime: window.liveSamRuntime, model: decoder });
      await Promise.all([opened, sample(0)]);
      window.liveSamRuntime = undefined; // megabytes of text that the worker has read
      part("controls").disabled = false;
      window.liveSam.ready = ask("openEncoder", { model: encoder });
      await window.liveSam.ready;
      performance.mark("live-sam-opened");
    } catch (error) {
      stop(error);
    }
  }

  // For whoever looks at the page with the browser's tools, and for the measurement of its times.
  window.liveSam = { state, ask, toInput };

  if (navigator.connection?.saveData) {
    box.hidden = false;
    part("start").hidden = false;
    part("start").addEventListener("click", start);
  } else start();
})();
