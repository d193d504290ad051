
"use strict";
// A picture is {rows, columns, channels, minimum, data}: see packing.py. Positions in both
// pictures of a pair are in pixels of the input, so that both zoom and pan together.
(() => {
  const ZOOM_STEP = 1.25;
  const PAN_SHARE = 0.1; // part of the picture's width that a key press moves
  const GRIP_PX = 14; // largest distance from the slider's line at which a drag moves it
  const byId = (id) => document.getElementById(id);
  const index = JSON.parse(byId("index").textContent);
  const canvas = byId("canvas");
  const state = { number: -1, pair: null, zoom: 1, row: 0, column: 0 };

  // Pictures ---------------------------------------------------------------------

  async function unpack(picture) {
    const bytes = Uint8Array.from(atob(picture.data), (letter) => letter.charCodeAt(0));
    const inflated = new Blob([bytes])
      .stream()
      .pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(inflated).arrayBuffer());
    const { rows, columns, channels } = picture;
    const count = rows * columns * channels;
    const samples = new Uint16Array(count);
    for (let start = 0; start < count; start += columns) {
      let sum = 0;
      for (let i = start; i < start + columns; i++) {
        const counted = (planes[i] << 8) + planes[count + i];
        sum += (counted >> 1) ^ -(counted & 1);
        samples[i] = sum + (samples[i - columns] ?? 0); // modulo 65536
      }
    }
    const surface = Object.assign(document.createElement("canvas"), {
      width: columns,
      height: rows,
    });
    return { ...picture, samples, surface };
  }

  function paint(image, shades) {
    const { rows, columns, channels, samples, surface } = image;
    const size = rows * columns;
    const green = channels === 3 ? size : 0;
    const pixels = new Uint8ClampedArray(4 * size);
    for (let i = 0; i < size; i++) {
      pixels[4 * i] = shades[samples[i]];
      pixels[4 * i + 1] = shades[samples[green + i]];
      pixels[4 * i + 2] = shades[samples[2 * green + i]];
      pixels[4 * i + 3] = 255;
    }
    surface.getContext("2d").putImageData(new ImageData(pixels, columns, rows), 0, 0);
  }

  function shadesOf([low, high], minimum, inverted) {
    return Uint8ClampedArray.from({ length: 65536 }, (_, sample) => {
      const share = Math.min(Math.max((sample + minimum - low) / (high - low), 0), 1);
      return Math.round(255 * (inverted ? 1 - share : share));
    });
  }

  function rangeOf({ minimum, samples }) {
    let low = 65535;
    let high = 0;
    for (const sample of samples) {
      low = Math.min(low, sample);
      high = Math.max(high, sample);
    }
    return [low + minimum, high + minimum];
  }

  // Positions --------------------------------------------------------------------

  // The position of an image and the size of its pixels, in pixels of the input.
  function placed(image, [down, across]) {
    return {
      top: image.row / down,
      left: image.column / across,
      height: image.rows / down,
      width: image.columns / across,
    };
  }

  function panes() {
    const { width, height } = canvas;
    const { before, after } = state.pair;
    const share = byId("mode").value === "side" ? 0.5 : byId("split").value / 100;
    const line = Math.round(width * share);
    const middles =
      byId("mode").value === "side" ? [width / 4, (3 * width) / 4] : [width / 2, width / 2];
    return [
      { image: before, start: 0, end: line, middle: middles[0], height },
      { image: after, start: line, end: width, middle: middles[1], height },
    ];
  }

  function room() {
    const share = byId("mode").value === "side" ? 0.5 : 1;
    return { width: canvas.width * share, height: canvas.height };
  }

  // The place in the input that lies under a point of the canvas.
  function placeAt(x, y) {
    const pane = panes().find(({ end }) => x < end) ?? panes()[1];
    return {
      column: state.column + (x - pane.middle) / state.zoom,
      row: state.row + (y - pane.height / 2) / (state.zoom * state.pair.aspect),
    };
  }

  // Drawing ----------------------------------------------------------------------

  function draw() {
    if (!state.pair) return;
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    panes().forEach((pane) => drawPane(context, pane));
    const line = panes()[0].end;
    context.fillStyle = "#ffd24a";
    context.fillRect(line - 1, 0, 2, canvas.height);
    read(panes()[0].middle, canvas.height / 2, "middle");
  }

  function drawPane(context, { image, start, end, middle, height }) {
    const { top, left, ...size } = image.place;
    const scale = { x: state.zoom, y: state.zoom * state.pair.aspect };
    context.save();
    context.beginPath();
    context.rect(start, 0, end - start, height);
    context.clip();
    // Show enlarged pixels as squares, unless the user wants them smooth. Smooth a
    // reduced image always, so that no pixel is left out.
    const reduced = size.width * scale.x < image.columns;
    context.imageSmoothingEnabled = reduced || byId("smooth").checked;
    context.drawImage(
      image.surface,
      middle + (left - state.column) * scale.x,
      height / 2 + (top - state.row) * scale.y,
      size.width * scale.x,
      size.height * scale.y,
    );
    context.restore();
  }

  function repaint() {
    if (!state.pair) return;
    const level = Number(byId("level").value);
    const width = Number(byId("width").value);
    byId("level-value").value = level;
    byId("width-value").value = width;
    const { before, after, inverted } = state.pair;
    for (const image of [before, after]) {
      const window = [level - width / 2, level + width / 2];
      paint(image, shadesOf(window, image.minimum, inverted));
    }
    draw();
  }

  // The stored values under the pointer.
  function read(x, y, where) {
    const { row, column } = placeAt(x, y);
    const { before, after } = state.pair;
    const [was, is] = [before, after].map((image) => valueAt(image, row, column) ?? "-");
    byId("reading").textContent =
      `${where}: row ${row.toFixed(1)}, column ${column.toFixed(1)} of the input; ` +
      `stored value before ${was}, after ${is}; zoom ${state.zoom.toFixed(2)}`;
  }

  function valueAt({ place, rows, columns, channels, minimum, samples }, row, column) {
    const i = Math.floor(((row - place.top) / place.height) * rows);
    const j = Math.floor(((column - place.left) / place.width) * columns);
    if (i < 0 || j < 0 || i >= rows || j >= columns) return null;
    const planes = Array.from({ length: channels }, (_, k) => k * rows * columns);
    return planes.map((plane) => samples[plane + i * columns + j] + minimum).join("/");
  }

  // Moving -----------------------------------------------------------------------

  function fit() {
    const { top, left, width, height } = state.pair.before.place;
    state.row = top + height / 2;
    state.column = left + width / 2;
    state.zoom = Math.min(
      room().width / width,
      room().height / (height * state.pair.aspect),
    );
    draw();
  }

  function zoomBy(factor, x = panes()[0].middle, y = canvas.height / 2) {
    const fixed = placeAt(x, y);
    state.zoom = Math.min(Math.max(state.zoom * factor, 0.05), 200);
    const moved = placeAt(x, y);
    panBy(fixed.row - moved.row, fixed.column - moved.column);
  }

  // Keep the middle of the view inside the image.
  function panBy(rows, columns) {
    const { top, left, width, height } = state.pair.before.place;
    state.row = Math.min(Math.max(state.row + rows, top), top + height);
    state.column = Math.min(Math.max(state.column + columns, left), left + width);
    draw();
  }

  function step(rows, columns) {
    const reach = (PAN_SHARE * room().width) / state.zoom;
    panBy(rows * reach, columns * reach);
  }

  function slide(by) {
    byId("split").value = Number(byId("split").value) + by;
    draw();
  }

  function resetWindow() {
    const [low, high] = state.pair.window;
    const ranges = [state.pair.before, state.pair.after].map(rangeOf);
    const least = Math.floor(Math.min(low, ...ranges.map(([first]) => first)));
    const most = Math.ceil(Math.max(high, ...ranges.map(([, last]) => last)));
    const small = most - least < 16 ? "any" : "1";
    Object.assign(byId("level"), { min: least, max: most, step: small });
    Object.assign(byId("width"), { min: 1, max: 2 * (most - least), step: small });
    byId("level").value = (low + high) / 2;
    byId("width").value = high - low;
    repaint();
  }

  // Choosing a result ------------------------------------------------------------

  async function select(number) {
    if (number < 0 || number >= index.cases.length) return;
    state.number = number;
    state.pair = null;
    const about = index.cases[number];
    document.querySelectorAll("#cases button").forEach((button, i) => {
      button.setAttribute("aria-current", String(i === number));
    });
    byId("viewer").hidden = false;
    byId("viewer").setAttribute("aria-busy", "true");
    byId("name").textContent = about.file;
    canvas.setAttribute("aria-label", `${about.file}: before and after`);
    describe(byId("facts"), about.facts);
    let problem = about.problem ?? "";
    try {
      const pair = problem ? null : await load(about);
      if (state.number !== number) return; // the user chose another result meanwhile
      state.pair = pair;
    } catch (error) {
      problem = `the pictures cannot be unpacked: ${error.message}`;
    }
    byId("problem").textContent = problem;
    byId("problem").hidden = !problem;
    byId("stage").hidden = Boolean(problem);
    if (state.pair) {
      resize();
      fit();
      resetWindow();
    }
    byId("viewer").setAttribute("aria-busy", "false");
  }

  async function load(about) {
    const pictures = JSON.parse(byId(about.pictures).textContent);
    const [before, after] = await Promise.all(
      [pictures.before, pictures.after].map(unpack),
    );
    before.place = placed(before, [1, 1]);
    after.place = placed(after, about.factors);
    return { ...about, before, after };
  }

  function resize() {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    draw();
  }

  // The page around it -----------------------------------------------------------

  function element(name, text = "") {
    return Object.assign(document.createElement(name), { textContent: text });
  }

  function describe(list, facts) {
    list.replaceChildren(
      ...facts.flatMap(([label, text]) => [element("dt", label), element("dd", text)]),
    );
  }

  function showRun() {
    const counts = Object.entries(index.counts).map(([end, n]) => `${n} ${end}`);
    byId("counts").textContent = counts.join(", ") || "no file";
    byId("notice").textContent = index.notice;
    describe(byId("settings"), index.settings);
    byId("failures").hidden = !index.missing.length;
    byId("missing").replaceChildren(...index.missing.map(missingRow));
    byId("unlisted").textContent = index.unlisted
      ? `and ${index.unlisted} more, in the report`
      : "";
    byId("chosen").textContent =
      index.cases.length < index.written
        ? `${index.cases.length} of ${index.written}, evenly spread over the run`
        : `all ${index.written}`;
  }

  function missingRow([end, file, reason]) {
    const row = element("tr");
    row.append(element("td", file), element("td", end), element("td", reason));
    row.children[1].className = end;
    return row;
  }

  function caseItem(about, number) {
    const item = element("li");
    const button = Object.assign(element("button"), { type: "button" });
    const name = element("span", about.file);
    const lacking = () => name.append(element("br"), "not shown");
    button.append(name);
    button.addEventListener("click", () => select(number));
    item.append(button);
    if (about.whole) thumbnail(about).then((small) => button.prepend(small), lacking);
    else lacking();
    return item;
  }

  // The whole image, and on it the part that is shown.
  async function thumbnail({ whole, shape, part }) {
    const image = await unpack(whole);
    paint(image, shadesOf([0, 255], 0, false));
    const { row, column, rows, columns } = part;
    const context = image.surface.getContext("2d");
    const [y, x] = [image.rows / shape[0], image.columns / shape[1]];
    context.strokeStyle = "#ffd24a";
    context.lineWidth = 2;
    context.strokeRect(column * x, row * y, columns * x, rows * y);
    image.surface.setAttribute("aria-hidden", "true");
    return image.surface;
  }

  // Mouse and keys ---------------------------------------------------------------

  const KEYS = {
    ArrowLeft: () => step(0, -1),
    ArrowRight: () => step(0, 1),
    ArrowUp: () => step(-1, 0),
    ArrowDown: () => step(1, 0),
    "+": () => zoomBy(ZOOM_STEP),
    "=": () => zoomBy(ZOOM_STEP),
    "-": () => zoomBy(1 / ZOOM_STEP),
    0: fit,
    1: oneToOne,
    "[": () => slide(-5),
    "]": () => slide(5),
  };
  const PAGE_KEYS = {
    n: () => select(state.number + 1),
    p: () => select(state.number - 1),
  };

  function changeMode() {
    byId("split").disabled = byId("mode").value === "side";
    if (state.pair) fit();
  }

  function oneToOne() {
    zoomBy(state.pair.factors[1] / state.zoom);
  }

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const keys = event.target === canvas && state.pair ? KEYS : {};
    const act = keys[event.key] ?? PAGE_KEYS[event.key.toLowerCase()];
    if (!act || event.target === byId("mode")) return; // letters choose its options
    event.preventDefault();
    act();
  }

  function pointOf(event) {
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  // Return the action of a drag that begins here, for each move in pixels of the canvas.
  function dragOf(event) {
    const [x] = pointOf(event);
    const sliding = byId("mode").value === "slider";
    if (event.button === 2 || event.shiftKey) return drag.window;
    return sliding && Math.abs(x - panes()[0].end) < GRIP_PX ? drag.split : drag.pan;
  }

  const drag = {
    pan: (dx, dy) => panBy(-dy / (state.zoom * state.pair.aspect), -dx / state.zoom),
    split: (_dx, _dy, x) => {
      byId("split").value = (100 * x) / canvas.width;
      draw();
    },
    window: (dx, dy) => {
      const share = Number(byId("width").max) / 2 / canvas.width;
      byId("width").value = Number(byId("width").value) + dx * share;
      byId("level").value = Number(byId("level").value) + dy * share;
      repaint();
    },
  };

  function onDown(event) {
    if (!state.pair) return;
    const act = dragOf(event);
    let [x, y] = pointOf(event);
    const onMove = (move) => {
      const [toX, toY] = pointOf(move);
      act(toX - x, toY - y, toX);
      [x, y] = [toX, toY];
    };
    canvas.setPointerCapture(event.pointerId);
    canvas.addEventListener("pointermove", onMove);
    canvas.addEventListener(
      "lostpointercapture",
      () => canvas.removeEventListener("pointermove", onMove),
      { once: true },
    );
  }

  function onWheel(event) {
    if (!state.pair) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, ...pointOf(event));
  }

  function listen() {
    document.addEventListener("keydown", onKey);
    canvas.addEventListener("pointerdown", onDown);
    canvas.addEventListener("wheel", onWheel, { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => state.pair && fit());
    canvas.addEventListener("pointermove", (event) => {
      if (state.pair) read(...pointOf(event), "pointer");
    });
    new ResizeObserver(resize).observe(canvas);
    for (const id of ["level", "width"]) byId(id).addEventListener("input", repaint);
    for (const id of ["split", "smooth"]) byId(id).addEventListener("input", draw);
    byId("mode").addEventListener("input", changeMode);
    const buttons = { in: KEYS["+"], out: KEYS["-"], fit, one: oneToOne, reset: resetWindow };
    for (const [id, act] of Object.entries(buttons)) {
      byId(id).addEventListener("click", () => state.pair && act());
    }
  }

  showRun();
  byId("cases").replaceChildren(...index.cases.map(caseItem));
  listen();
  select(0);
})();
