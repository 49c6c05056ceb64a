import { loadSource } from "../support/sources.mjs";

const { timecode, parseTimecode, frameToSample } = await loadSource("model/time.ts");
const [frames, rate, dropFrame] = process.argv.slice(2).map((text) => JSON.parse(text));
const labels = frames.map((frame) => timecode(frame, rate, dropFrame));
console.log(
  JSON.stringify({
    labels,
    parsed: labels.map((label) => parseTimecode(label, rate, dropFrame)),
    samples: frames.map((frame) => frameToSample(frame, rate, 48000)),
    refused: ["", "abc", "01:00:00", "00:60:00:00", "00:00:00:99"].map((label) => parseTimecode(label, rate, dropFrame)),
    leftOut: parseTimecode("00:01:00;00", rate, dropFrame),
  }),
);
