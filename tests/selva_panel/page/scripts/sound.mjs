import { wav24, strokes } from "../support/made_media.mjs";
import { loadSource } from "../support/sources.mjs";

const { parseWav, decodeSamples } = await loadSource("audio/wav.ts");
const mix = await loadSource("audio/mix.ts");
const bytes = wav24(480, 48000, strokes(440, 48000));
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const layout = parseWav(buffer);
const [channel] = decodeSamples(buffer.slice(layout.dataOffset), layout);
const exact = Array.from({ length: 480 }, (_, n) => Math.round(strokes(440, 48000)(n) * 8388608) / 8388608);

const refusals = [];
for (const text of ["RIFF0000AVI ", "not a file at all"])
  try {
    parseWav(new TextEncoder().encode(text).buffer);
    refusals.push(null);
  } catch (error) {
    refusals.push(error.message);
  }

const row = (id, more = {}) => ({ id, mute: false, solo: false, gain_db: 0, pan: "off", ...more });
const stem = (id, more = {}) => ({ id, row_id: "a", clip_id: "c", take: 1, active: false, choice: "none", start_frames: 0, length_samples: 100, ...more });
const evidence = JSON.parse(process.argv[2] ?? '{"x":[0.5],"presence_curve":[1],"rate_hz":12.5}');
const segments = [{ contextSample: 1000, from: 50, to: 150 }, { contextSample: 1100, from: 50, to: 150 }];
console.log(
  JSON.stringify({
    layout, largestError: Math.max(...exact.map((value, n) => Math.abs(value - channel[n]))),
    headTooShort: parseWav(buffer.slice(0, 44)), refusals,
    audible: [[row("a"), row("b", { mute: true })], [row("a"), row("b", { solo: true, mute: true })]].map((rows) => [...mix.audibleRows(rows)]),
    chosen: [
      [stem("1"), stem("2", { active: true })], [stem("1", { choice: "reject", active: true }), stem("2")], [stem("1", { choice: "reject" })],
    ].map((stems) => mix.chosenStems([stems]).map((one) => one.id)),
    starts: mix.voicesOf([stem("1", { start_frames: 108000 })], new Map([["a", row("a")]]), [30000, 1001], 48000).map((voice) => voice.startSample),
    offGrid: mix.voicesOf([stem("1", { start_frames: 90011, start_samples: 20736 })], new Map([["a", row("a")]]), [25, 1], 48000, 90000).map((voice) => voice.startSample),
    positions: [900, 1000, 1050, 1099, 1100, 1150, 5000].map((sample) => mix.positionAt(segments, sample)),
    placedPan: mix.panPoints(row("a", { pan: "envelope" }), stem("1", { channels: 1, sample_rate_hz: 48000, offset_samples: 2400, pan: [[0.05, -1], [1.05, 0.5]] }), undefined),
    seenPan: mix.panPoints(row("a", { pan: "envelope" }), stem("1", { channels: 1, sample_rate_hz: 48000 }), { ...evidence, acts: true, seen: true }).map((point) => point.pan),
    noPan: [
      mix.panPoints(row("a"), stem("1", { channels: 1, sample_rate_hz: 48000, pan: [[0, 1]] }), undefined),
      mix.panPoints(row("a", { pan: "envelope" }), stem("1", { channels: 2, sample_rate_hz: 48000, pan: [[0, 1]] }), undefined),
      mix.panPoints(row("a", { pan: "envelope" }), stem("1", { channels: 1, sample_rate_hz: 48000 }), { ...evidence, acts: true, seen: false }),
    ],
    panAt: [-5, 0, 50, 100, 200].map((sample) => mix.panAt([{ sample: 0, pan: -1 }, { sample: 100, pan: 1 }], sample)),
  }),
);
