// Sessions as the server would describe them, of any size.
const NAMES = ["Footsteps", "Dog", "Bicycle bell", "Engine", "Rain", "Birds", "Door", "Ball", "Siren", "Cloth"];
const PROMPTS = [
  "boots on wet gravel", "small dog barking", "bicycle bell ringing twice", "car engine idling", "rain on a tin roof",
  "birds in a garden", "wooden door closing", "ball bouncing on concrete", "distant siren passing", "cloth rustling",
];
export const SAMPLE_RATE = 48000;

const curve = (length, of) => Array.from({ length }, (_, index) => of(index / Math.max(1, length - 1)));

export function makeEvidence(row, clip, index, rowIndex) {
  const seen = (index + rowIndex) % 4 !== 3;
  const points = 24;
  const level = seen ? 0.55 + 0.4 * Math.abs(Math.sin(index * 1.7 + rowIndex)) : 0.06;
  return {
    row_id: row.id, clip_id: clip.id, presence: level, acts: true, seen, rate_hz: 6,
    presence_curve: curve(points, (at) => Math.max(0, Math.min(1, level * (0.55 + 0.45 * Math.sin(at * 9 + index))))),
    x: curve(points, (at) => 0.25 + 0.5 * at), y: curve(points, () => 0.6), spread: curve(points, () => 0.12),
  };
}

export function makeStem(row, clip, take, rate, active) {
  return {
    id: `s-${row.id}-${clip.id}-${take}`, row_id: row.id, clip_id: clip.id, take, seed: 41 + take, start_frames: clip.start_frames,
    offset_samples: 2400, length_samples: Math.round((clip.duration_frames * rate[1] * SAMPLE_RATE) / rate[0]), sample_rate_hz: SAMPLE_RATE,
    channels: 1, presence: 0.8, choice: "none", active, redone_from: null, file_name: `${row.name} ${clip.name} take ${take}.wav`,
    measures: [{ name: "sync", value: 0.9, unit: "" }, { name: "leak", value: -23.4, unit: "dB" }, { name: "later", value: 1, unit: "" }],
    hints: take === 2 ? [{ kind: "leak", text: "something else is heard at -14 dB", seconds: [[0.4, 0.9]] }] : [],
  };
}

export function makeSession({ clips = 8, rows = 3, evidence = true, stems = true, rate = [25, 1], dropFrame = false, clipFrames = 60, media = [], continuous = false }) {
  const start = dropFrame ? 107892 : 90000;
  const madeClips = Array.from({ length: clips }, (_, index) => ({
    id: `c${index}`, name: ["street", "yard", "garden", "hall"][index % 4] + (index > 3 ? ` ${index}` : ""), track: "V1",
    start_frames: start + index * clipFrames, duration_frames: clipFrames, media_id: media.length ? media[index % media.length] : "m0",
    problem: index === 5 ? "The media is offline: /Volumes/CARD is not there. Attach it, or relink the clip." : null,
    source_start: continuous ? [index * clipFrames * rate[1], rate[0]] : [0, 1], speed: 1,
  }));
  const madeRows = Array.from({ length: rows }, (_, index) => ({
    id: `r${index}`, name: NAMES[index % 10], prompt: PROMPTS[index % 10], negative: "", takes: index === 0 ? 3 : 1, gain_db: index === 1 ? -6 : 0,
    pan: "off", solo: false, mute: false, overrides: index === 1 ? { c2: { prompt: "two dogs barking" } } : {},
  }));
  const found = evidence ? madeRows.flatMap((row, r) => madeClips.map((clip, c) => makeEvidence(row, clip, c, r))) : [];
  const madeStems = stems
    ? found.filter((one) => one.seen && one.row_id !== `r${rows - 1}`).flatMap((one) => {
        const row = madeRows.find((held) => held.id === one.row_id);
        const clip = madeClips.find((held) => held.id === one.clip_id);
        return Array.from({ length: row.takes }, (_, take) => makeStem(row, clip, take + 1, rate, take === 0));
      })
    : [];
  return {
    revision: 1,
    cut: { name: "street scene v3.otio", source: "file", scope: "timeline", rate, drop_frame: dropFrame, start_frames: start, duration_frames: clips * clipFrames },
    clips: madeClips, markers: [{ frame: start + 30, name: "Dog: small dog barking", is_cue: true }, { frame: start + 130, name: "fix grade", is_cue: false }],
    rows: madeRows, evidence: found, stems: madeStems, jobs: [],
    daemon: {
      state: "ready", message: null, model: "selva-nano", device: "NVIDIA RTX 4090",
      models: [
        { name: "selva-nano", installed: true, bytes: 9_400_000, licence: "Apache-2.0", licence_accepted: true },
        { name: "selva-small-44k", installed: false, bytes: 2_310_000_000, licence: "CC-BY-NC-4.0", licence_accepted: false },
      ],
    },
    suggestions: ["waves on a beach", "horse trotting on cobbles", "glass breaking", "keys jingling", "typing on a keyboard", "wind in trees"],
    can_place: [{ target: "reaper", label: "REAPER" }, { target: "otio", label: "OpenTimelineIO (.otio)" }], placed: null,
    estimate: { cells: clips * 2, seconds: clips * 9 }, has_production: true, notes: [],
    save_formats: [{ format: "otio", label: "OpenTimelineIO (.otio)", suffix: ".otio" }, { format: "fcpxml", label: "Final Cut Pro (.fcpxml)", suffix: ".fcpxml" }],
  };
}
