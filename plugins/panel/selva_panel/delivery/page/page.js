"use strict";
// The page that a director opens: the picture with the stems over it, choices and notes that come back as a JSON file.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const video = document.getElementById("picture");
  const context = new (window.AudioContext || window.webkitAudioContext)();
  const buffers = new Map();
  const state = { choices: {}, muted: {}, notes: [], sources: [], startedAt: 0, from: 0, playing: false };
  const seconds = data.duration_frames * data.rate[1] / data.rate[0];

  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
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

  async function load() {
    video.src = URL.createObjectURL(new Blob([bytesOf(data.picture)], { type: "video/mp4" }));
    for (const stem of data.stems) buffers.set(stem.id, await context.decodeAudioData(bytesOf(stem.sound).buffer));
    document.getElementById("play").disabled = false;
    document.getElementById("status").textContent = "";
  }

  function stop() {
    for (const source of state.sources) source.stop();
    state.sources = [];
    state.from = now();
    state.playing = false;
    video.pause();
    video.currentTime = state.from;
    document.getElementById("play").textContent = "Play";
  }

  async function play() {
    await context.resume();
    if (state.from >= seconds - 0.05) state.from = 0;
    const at = context.currentTime + 0.1;
    for (const stem of data.stems) {
      if (state.muted[stem.row] || state.choices[stem.id] === "reject" || !isHeard(stem)) continue;
      const source = new AudioBufferSourceNode(context, { buffer: buffers.get(stem.id) });
      const gain = new GainNode(context, { gain: 10 ** (stem.gain_db / 20) });
      source.connect(gain).connect(context.destination);
      const begins = stem.start_s - state.from;
      const skipped = Math.max(0, -begins);
      if (skipped < stem.duration_s) {
        source.start(at + Math.max(0, begins), stem.offset_s + skipped, stem.duration_s - skipped);
        state.sources.push(source);
      }
    }
    state.startedAt = at;
    state.playing = true;
    video.currentTime = state.from;
    setTimeout(() => video.play(), 100);
    document.getElementById("play").textContent = "Pause";
  }

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
      mute.addEventListener("change", () => { state.muted[row.id] = mute.checked; });
      section.append(mute, element("label", "Mute", { for: `mute-${row.id}` }));
      const list = element("ul");
      for (const stem of data.stems.filter((each) => each.row === row.id)) list.append(buildStem(stem));
      section.append(list);
      tracks.append(section);
    }
  }

  function buildStem(stem) {
    const item = element("li");
    const jump = element("button", `${timecode(stem.start_frame)}  take ${stem.take}`, { type: "button" });
    jump.addEventListener("click", () => { stop(); state.from = stem.start_s; video.currentTime = stem.start_s; });
    const choice = element("select", "", { "aria-label": `Choice for take ${stem.take} at ${timecode(stem.start_frame)}` });
    for (const [value, text] of [["none", "No choice"], ["keep", "Keep"], ["reject", "Reject"]]) {
      choice.append(element("option", text, { value }));
    }
    choice.value = stem.choice;
    state.choices[stem.id] = stem.choice;
    choice.addEventListener("change", () => { state.choices[stem.id] = choice.value; });
    const note = element("button", "Note", { type: "button" });
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
  document.getElementById("play").addEventListener("click", () => (state.playing ? stop() : play()));
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
