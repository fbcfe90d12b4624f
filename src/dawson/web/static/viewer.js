/* The viewer of a page: images in three planes, keys, window and level, and the tools for drawing. */
(async () => {
  "use strict";
  const box = document.getElementById("viewer");
  const state = document.getElementById("viewer-state");
  const told = JSON.parse(box.dataset.viewer);
  const began = performance.now();
  const canvas = document.getElementById("later");
  const options = {
    backColor: [0, 0, 0, 1], crosshairColor: [1, 0.75, 0, 0.9], crosshairWidth: 1, show3Dcrosshair: false, isRadiologicalConvention: true,
    multiplanarShowRender: 0, isOrientationTextVisible: true, dragAndDropEnabled: false, logLevel: "error", isNearestInterpolation: true,
    drawOpacity: 0.5, dragMode: 3, thumbnail: "", loadingText: "",
    crosshairGap: 8, multiplanarLayout: told.earlier.length ? 1 : 2,
  };
  const viewer = new niivue.Niivue(options);
  await viewer.attachToCanvas(canvas);
  const viewers = [viewer];
  if (told.earlier.length) {
    const other = new niivue.Niivue(options);
    await other.attachToCanvas(document.getElementById("earlier"));
    viewers.push(other);
    viewer.broadcastTo(other, { "2d": true, "3d": true, sliceType: true });
    other.broadcastTo(viewer, { "2d": true, "3d": true, sliceType: true });
  }
  window.dawsonViewer = viewer;
  const RED = [1, 0.35, 0.2];
  viewer.addColormap("dawson-mask", { R: [0, 255], G: [0, 90], B: [0, 50], A: [0, 255], I: [0, 255] });
  viewer.setDrawColormap({ R: [0, 255 * RED[0]], G: [0, 255 * RED[1]], B: [0, 255 * RED[2]], A: [0, 255], labels: ["", "lesion"] });

  let contrast = 0;
  let range = [];
  const slider = (id) => document.getElementById(id);
  const contrasts = (one, addresses) =>
    one.loadVolumes(addresses.map((url, number) => ({ url, name: `image${number}.nii.gz`, opacity: number === contrast ? 1 : 0 })));

  try {
    await contrasts(viewer, told.images);
    if (told.earlier.length) await contrasts(viewers[1], told.earlier);
    range = viewers.map((one) => one.volumes.map((volume) => [volume.cal_min, volume.cal_max]));
    const overlay = told.solution || (told.draw ? "" : told.mask);
    if (overlay) {
      await viewer.addVolumesFromUrl([{ url: overlay, name: "mask.nii.gz", colormap: "dawson-mask", opacity: 0.5, cal_min: 0, cal_max: 1 }]);
    }
    if (told.draw) {
      viewer.createEmptyDrawing();
      if (told.mask) await viewer.loadDrawingFromUrl(told.mask, true);
    }
    home();
    state.textContent = "";
    box.dataset.ready = "true";
  } catch (error) {
    state.textContent = `The images could not be loaded: ${error}. Load the page again.`;
    state.className = "problem";
    return;
  }

  function home() {
    for (const one of viewers) {
      if (told.place) one.scene.crosshairPos = one.mm2frac([...told.place]);
      one.drawScene();
    }
  }

  // what is shown
  const buttons = (name) => [...box.querySelectorAll(`[data-${name}]`)];
  const press = (name, value) => {
    for (const button of buttons(name)) button.setAttribute("aria-pressed", String(button.dataset[name] === String(value)));
  };
  function showContrast(number) {
    contrast = number;
    for (const one of viewers) told.images.forEach((_, at) => one.setOpacity(at, at === number ? 1 : 0));
    press("contrast", number);
    windowed();
  }
  const planes = [3, 0, 1, 2];
  let plane = 0;
  function showPlane(number) {
    plane = number;
    for (const one of viewers) one.setSliceType(planes[number]);
    press("plane", number);
  }
  function windowed() {
    viewers.forEach((one, at) => {
      const volume = one.volumes[contrast];
      const [low, high] = range[at][contrast];
      const width = (high - low) * 2 ** ((slider("window").value - 50) / 25);
      const middle = low + (high - low) * (slider("level").value / 100);
      volume.cal_min = middle - width / 2;
      volume.cal_max = middle + width / 2;
      one.updateGLVolume();
    });
  }
  buttons("contrast").forEach((button) => button.addEventListener("click", () => showContrast(Number(button.dataset.contrast))));
  buttons("plane").forEach((button) => button.addEventListener("click", () => showPlane(Number(button.dataset.plane))));
  slider("window").addEventListener("input", windowed);
  slider("level").addEventListener("input", windowed);
  slider("opacity")?.addEventListener("input", (event) => {
    const value = event.target.value / 100;
    if (told.draw) viewer.setDrawOpacity(value);
    else viewer.setOpacity(viewer.volumes.length - 1, value);
  });
  slider("home")?.addEventListener("click", home);
  // two visits are compared in large slices
  showPlane(told.earlier.length ? 1 : 0);

  // drawing
  let tool = "look";
  let dirty = false;
  const volumeShown = slider("volume");
  function measure() {
    if (!volumeShown) return;
    const size = viewer.volumes[0].pixDimsRAS;
    let count = 0;
    for (const voxel of viewer.drawBitmap ?? []) count += voxel > 0;
    volumeShown.textContent = `${((count * size[1] * size[2] * size[3]) / 1000).toFixed(2)} mL`;
  }
  function take(name) {
    tool = name;
    viewer.setDrawingEnabled(["pen", "fill", "erase"].includes(name));
    if (name !== "look") viewer.setPenValue(name === "erase" ? 0 : 1, name === "fill");
    press("tool", name);
  }
  function ball(event) {
    if (tool !== "ball" || event.button > 0) return;
    const volume = viewer.volumes[0];
    const [, nx, ny, nz] = volume.dimsRAS;
    const [, sx, sy, sz] = volume.pixDimsRAS;
    const middle = viewer.frac2vox(viewer.scene.crosshairPos);
    const radius = Number(slider("size").value);
    for (let z = 0; z < nz; z++) {
      for (let y = 0; y < ny; y++) {
        if (((z - middle[2]) * sz) ** 2 + ((y - middle[1]) * sy) ** 2 > radius ** 2) continue;
        for (let x = 0; x < nx; x++) {
          const distance = ((x - middle[0]) * sx) ** 2 + ((y - middle[1]) * sy) ** 2 + ((z - middle[2]) * sz) ** 2;
          if (distance <= radius ** 2) viewer.drawBitmap[x + nx * (y + ny * z)] = 1;
        }
      }
    }
    viewer.drawAddUndoBitmap(true);
    viewer.refreshDrawing(true);
    changed();
  }
  function changed() {
    dirty = true;
    measure();
  }
  if (told.draw) {
    viewer.onDrawingChanged = changed;
    canvas.addEventListener("pointerup", () => setTimeout(changed, 50));
    canvas.addEventListener("mouseup", ball);
    buttons("tool").forEach((button) => button.addEventListener("click", () => take(button.dataset.tool)));
    slider("size").addEventListener("input", (event) => {
      viewer.opts.penSize = Number(event.target.value);
      slider("size-shown").textContent = event.target.value;
    });
    slider("undo").addEventListener("click", () => { viewer.drawUndo(); changed(); });
    slider("interpolate").addEventListener("click", () => {
      // only slices of one plane can be filled between: that which is shown, axial where all are
      const shown = planes[plane] === 3 ? 0 : planes[plane];
      const ends = viewer.findDrawingBoundarySlices(shown);
      if (!ends || ends.last - ends.first < 2) return;
      viewer.interpolateMaskSlices(ends.first, ends.last, { useIntensityGuided: false, sliceType: shown });
      changed();
    });
    take("look");
    measure();
    dirty = false;
    window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  }
  const save = document.getElementById("save");
  save?.addEventListener("click", async () => {
    const problem = document.getElementById("save-state");
    save.disabled = true;
    problem.hidden = true;
    try {
      const bytes = await viewer.saveImage({ filename: "", isSaveDrawing: true, volumeByIndex: 0 });
      const seconds = (performance.now() - began) / 1000;
      const answer = await fetch(`${save.dataset.address}?seconds=${seconds.toFixed(1)}`, {
        method: "POST", body: bytes, headers: { "X-CSRF": save.dataset.csrf, Accept: "application/json", "Content-Type": "application/octet-stream" },
      });
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.detail);
      dirty = false;
      window.location.assign(content.next);
    } catch (error) {
      problem.textContent = `It was not saved: ${error.message} Your drawing is still here; try again.`;
      problem.hidden = false;
      save.disabled = false;
    }
  });

  // keys
  const form = document.getElementById("answer");
  form?.addEventListener("submit", () => { form.elements.seconds.value = ((performance.now() - began) / 1000).toFixed(1); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const key = event.key.toLowerCase();
    const act = {
      arrowup: () => slice(1), arrowdown: () => slice(-1), p: () => showPlane((plane + 1) % planes.length),
      c: () => showContrast((contrast + 1) % told.images.length), h: home,
      ...(told.draw && {
        l: () => take("look"), b: () => take("pen"), f: () => take("fill"), o: () => take("ball"), e: () => take("erase"),
        z: () => slider("undo").click(), i: () => slider("interpolate").click(), s: () => save?.click(),
      }),
    }[key];
    const choice = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (act) act();
    else if (choice) choice.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  function slice(step) {
    const along = { 1: [0, step, 0], 2: [step, 0, 0] }[planes[plane]] ?? [0, 0, step];
    viewer.moveCrosshairInVox(...along);
    // keys are not among what viewers tell each other
    const place = viewer.frac2mm(viewer.scene.crosshairPos);
    for (const other of viewers.slice(1)) {
      other.scene.crosshairPos = other.mm2frac([place[0], place[1], place[2]]);
      other.drawScene();
    }
  }
})();
