"use strict";
// The page that a director opens: the picture with the stems over it, choices and notes that come back as a JSON file.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const video = document.getElementById("picture");
  const context = new (window.AudioContext || window.webkitAudioContext)();
  const AHEAD_S = 15; // sounds are decoded so long before they are heard: those of an hour would fill the memory
  const state = { choices: {}, notes: [], sources: [], started: new Set(), startedAt: 0, from: 0, playing: false, generation: 0, timer: 0 };
  const rows = new Map();
  const seconds = data.duration_frames * data.rate[1] / data.rate[0];

  const t = (key, values = {}) => data.strings[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  // By the browser's own decoder where it has one: an hour of picture is 400 million letters.
  const bytesOf = (id) => {
    const text = document.getElementById(id).textContent;
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let index = 0; index < letters.length; index++) bytes[index] = letters.charCodeAt(index);
    return bytes;
  };
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  const timecode = (frame) => {
    const nominal = Math.round(data.rate[0] / data.rate[1]);
    let number = data.start_frames + frame;
    if (data.drop_frame) {
      const dropped = nominal / 15;
      const perTen = nominal * 600 - dropped * 9;
      const tens = Math.floor(number / perTen);
      const rest = number % perTen;
      const minutes = rest < nominal * 60 ? 0 : 1 + Math.floor((rest - nominal * 60) / (nominal * 60 - dropped));
      number += dropped * (tens * 9 + minutes);
    }
    const two = (value) => String(value).padStart(2, "0");
    const whole = Math.floor(number / nominal);
    return `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
      + `${data.drop_frame ? ";" : ":"}${two(number % nominal)}`;
  };
  const now = () => Math.min(seconds, state.playing ? state.from + context.currentTime - state.startedAt : state.from);
  const frameNow = () => Math.min(data.duration_frames - 1, Math.floor(now() * data.rate[0] / data.rate[1] + 1e-6));

  function load() {
    const pieces = Array.from({ length: data.pieces }, (_, index) => {
      const bytes = bytesOf(`picture-${index}`);
      document.getElementById(`picture-${index}`).remove(); // the bytes are in the blob now
      return bytes;
    });
    video.src = URL.createObjectURL(new Blob(pieces, { type: "video/mp4" }));
    document.getElementById("play").disabled = false;
    document.getElementById("status").textContent = "";
  }

  function rowOf(id) {
    if (!rows.has(id)) {
      const gain = new GainNode(context);
      gain.connect(context.destination);
      rows.set(id, gain);
    }
    return rows.get(id);
  }

  // The pan curve from a moment of the stem on: straight lines between its points, level before and after them.
  function panned(source, stem, skipped, when) {
    if (stem.pan.length === 0) return source;
    const panner = new StereoPannerNode(context);
    const next = stem.pan.findIndex(([second]) => second > skipped);
    const [left, right] = [stem.pan[next < 0 ? stem.pan.length - 1 : next - 1], stem.pan[next]];
    const share = left && right ? (skipped - left[0]) / (right[0] - left[0]) : 0;
    panner.pan.setValueAtTime(!left ? right[1] : !right ? left[1] : left[1] + share * (right[1] - left[1]), when);
    for (const [second, side] of next < 0 ? [] : stem.pan.slice(next)) panner.pan.linearRampToValueAtTime(side, when + second - skipped);
    source.connect(panner);
    return panner;
  }

  function start(stem, buffer) {
    const due = state.startedAt + stem.start_s - state.from;
    const when = Math.max(due, context.currentTime);
    const skipped = when - due;
    if (skipped >= stem.duration_s) return;
    const source = new AudioBufferSourceNode(context, { buffer });
    const gain = new GainNode(context, { gain: 10 ** (stem.gain_db / 20) });
    panned(source, stem, skipped, when).connect(gain).connect(rowOf(stem.row));
    source.start(when, stem.offset_s + skipped, stem.duration_s - skipped);
    state.sources.push(source);
  }

  const isDue = (stem, time) =>
    state.choices[stem.id] !== "reject" && isHeard(stem) && stem.start_s < time + AHEAD_S && stem.start_s + stem.duration_s > time;
  const decode = (stem) => context.decodeAudioData(bytesOf(stem.sound).buffer);

  // Starts what begins soon, each once; what comes late because it had to be decoded is taken up in the middle, in time.
  async function schedule() {
    const { generation } = state;
    for (const stem of data.stems) {
      if (generation !== state.generation) return;
      if (state.started.has(stem.id) || !isDue(stem, now())) continue;
      state.started.add(stem.id);
      const buffer = await decode(stem);
      if (generation === state.generation) start(stem, buffer);
    }
  }

  function stop() {
    state.generation++;
    clearInterval(state.timer);
    for (const source of state.sources) source.stop();
    state.sources = [];
    state.from = now();
    state.playing = false;
    video.pause();
    video.currentTime = state.from;
    document.getElementById("play").textContent = t("play");
  }

  async function play() {
    await context.resume();
    if (state.from >= seconds - 0.05) state.from = 0;
    const generation = ++state.generation;
    const first = data.stems.filter((stem) => isDue(stem, state.from) && stem.start_s < state.from + 1);
    const buffers = await Promise.all(first.map(decode));
    if (generation !== state.generation) return;
    state.startedAt = context.currentTime + 0.1;
    state.started = new Set(first.map((stem) => stem.id));
    state.playing = true;
    first.forEach((stem, index) => start(stem, buffers[index]));
    state.timer = setInterval(() => schedule().catch(fail), 1000);
    schedule().catch(fail);
    video.currentTime = state.from;
    setTimeout(() => state.playing && video.play(), 100);
    document.getElementById("play").textContent = t("pause");
  }

  function fail(error) {
    document.getElementById("status").textContent = t("failed", { reason: error.message });
  }

  const restart = () => {
    if (!state.playing) return;
    stop();
    play().catch(fail);
  };

  // Of a clip's takes the one that was kept, else the one that the editor had chosen.
  function isHeard(stem) {
    const takes = data.stems.filter((other) => other.row === stem.row && other.clip === stem.clip);
    const heard = takes.find((take) => state.choices[take.id] === "keep") || takes.find((take) => take.active);
    return heard === stem;
  }

  function tick() {
    const time = now();
    document.getElementById("position").value = time;
    document.getElementById("time").textContent = timecode(frameNow());
    if (state.playing && Math.abs(video.currentTime - time) > 0.1 && time < seconds) video.currentTime = time;
    if (state.playing && time >= seconds) stop();
    requestAnimationFrame(tick);
  }

  function buildTracks() {
    const tracks = document.getElementById("tracks");
    for (const row of data.rows) {
      const section = element("section");
      section.append(element("h2", row.name), element("p", row.prompt));
      const mute = element("input", "", { type: "checkbox", id: `mute-${row.id}` });
      mute.addEventListener("change", () => rowOf(row.id).gain.setTargetAtTime(mute.checked ? 0 : 1, context.currentTime, 0.01));
      section.append(mute, element("label", t("mute"), { for: `mute-${row.id}` }));
      const list = element("ul");
      for (const stem of data.stems.filter((each) => each.row === row.id)) list.append(buildStem(stem));
      section.append(list);
      tracks.append(section);
    }
  }

  function buildStem(stem) {
    const item = element("li");
    const jump = element("button", `${timecode(stem.start_frame)}  ${t("take", { n: stem.take })}`, { type: "button" });
    jump.addEventListener("click", () => { stop(); state.from = stem.start_s; video.currentTime = stem.start_s; });
    const what = { n: stem.take, time: timecode(stem.start_frame) };
    const choice = element("select", "", { "aria-label": t("choice_for", what) });
    for (const value of ["none", "keep", "reject"]) choice.append(element("option", t(value), { value }));
    choice.value = stem.choice;
    state.choices[stem.id] = stem.choice;
    choice.addEventListener("change", () => {
      state.choices[stem.id] = choice.value;
      restart();
    });
    const note = element("button", t("note"), { type: "button", "aria-label": t("note_on", what) });
    note.addEventListener("click", () => addNote(stem.id, stem.start_frame));
    item.append(jump, choice, note);
    return item;
  }

  function addNote(stemId, frame) {
    const text = document.getElementById("note").value.trim();
    if (!text) { document.getElementById("note").focus(); return; }
    const by = document.getElementById("by").value.trim();
    state.notes.push({ text, stem_id: stemId, frame: data.start_frames + frame, by });
    document.getElementById("notes").append(element("li", `${timecode(frame)}  ${text}`));
    document.getElementById("note").value = "";
  }

  function save() {
    const content = { schema: data.schema, session: data.session, cut: data.cut, notes: state.notes, choices: state.choices };
    const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    const link = element("a", "", { href: url, download: `${data.cut} notes.json` });
    document.body.append(link);
    link.click();
    link.remove();
  }

  document.getElementById("position").max = seconds;
  document.getElementById("position").addEventListener("input", (event) => {
    stop();
    state.from = Number(event.target.value);
    video.currentTime = state.from;
  });
  document.getElementById("play").addEventListener("click", () => (state.playing ? stop() : play().catch(fail)));
  document.getElementById("add").addEventListener("click", () => addNote(null, frameNow()));
  document.getElementById("save").addEventListener("click", save);
  document.addEventListener("keydown", (event) => {
    if (event.code === "Space" && !/^(INPUT|TEXTAREA|SELECT|BUTTON)$/.test(event.target.tagName)) {
      event.preventDefault();
      document.getElementById("play").click();
    }
  });
  buildTracks();
  tick();
  load();
})();
