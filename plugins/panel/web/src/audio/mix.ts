// What is heard when: pure functions over the state, from which the player schedules and by which the tests judge it.
import type { Evidence, Rational, Row, Stem } from "../model/contract";
import { isMissing } from "../model/evidence";
import { frameToSample } from "../model/time";

/** One stem as the mix has it; samples of the timeline's start count from frame 0. */
export interface Voice {
  stem: Stem;
  row: Row;
  startSample: number;
  endSample: number;
}

export const decibels = (db: number): number => 10 ** (db / 20);

/** Rows that sound: those that are soloed if any is, else those that are not muted. */
export function audibleRows(rows: readonly Row[]): Set<string> {
  const solo = rows.some((row) => row.solo);
  return new Set(rows.filter((row) => (solo ? row.solo : !row.mute)).map((row) => row.id));
}

/** The stem of each cell that is heard: the active take, never one that was rejected. */
export function chosenStems(cells: Iterable<readonly Stem[]>): Stem[] {
  const chosen: Stem[] = [];
  for (const stems of cells) {
    const stem = stems.find((one) => one.active && one.choice !== "reject") ?? stems.find((one) => one.choice !== "reject");
    if (stem) chosen.push(stem);
  }
  return chosen;
}

/** The mix as voices, ordered by their start. Muted rows are voices too: their row's gain is nought, so that unmuting is immediate. */
export function voicesOf(
  stems: readonly Stem[], rows: ReadonlyMap<string, Row>, rate: Rational, sampleRateHz: number, startFrame = 0,
): Voice[] {
  const voices: Voice[] = [];
  for (const stem of stems) {
    const row = rows.get(stem.row_id);
    if (!row) continue;
    // An item of REAPER may lie off the frame grid: its start after the timeline's is known to the sample.
    const startSample = stem.start_samples === undefined
      ? frameToSample(stem.start_frames, rate, sampleRateHz)
      : frameToSample(startFrame, rate, sampleRateHz) + stem.start_samples;
    voices.push({ stem, row, startSample, endSample: startSample + stem.length_samples });
  }
  return voices.sort((a, b) => a.startSample - b.startSample);
}

export interface PanPoint {
  /** Samples from the voice's start. */
  sample: number;
  /** -1 left to 1 right. */
  pan: number;
}

const SMOOTHING_S = 0.4;
const LEAST_WEIGHT = 0.01;

/** Centres averaged by a Gaussian, steps counted by their presence: as selva_core.base.pan does it for what is placed. */
function smoothCentres({ x, presence_curve, rate_hz }: Evidence): number[] {
  const sigma = SMOOTHING_S * rate_hz;
  const reach = Math.ceil(3 * sigma);
  return x.map((_, index) => {
    let [total, weights] = [0, 0];
    for (let step = Math.max(0, index - reach); step <= Math.min(x.length - 1, index + reach); step++) {
      const weight = Math.exp(-0.5 * ((step - index) / sigma) ** 2) * Math.max(presence_curve[step] ?? 0, LEAST_WEIGHT);
      total += weight * (x[step] ?? 0.5);
      weights += weight;
    }
    return total / weights;
  });
}

/**
 * Where a voice lies over time; empty where it stays in the middle. The stem's own curve, which is the one that is placed, counts
 * before what the evidence says: it has times of the stem's file, and handles come off.
 */
export function panPoints(row: Row, stem: Stem, evidence: Evidence | undefined): PanPoint[] {
  if (row.pan !== "envelope" || stem.channels !== 1) return [];
  const rate = stem.sample_rate_hz;
  if (stem.pan) return stem.pan.map(([seconds, pan]) => ({ sample: Math.round(seconds * rate) - stem.offset_samples, pan }));
  if (!evidence || evidence.x.length === 0 || evidence.rate_hz <= 0 || isMissing(evidence)) return [];
  return smoothCentres(evidence).map((x, index) => ({
    sample: Math.round(((index + 0.5) * rate) / evidence.rate_hz),
    pan: Math.max(-1, Math.min(1, x * 2 - 1)),
  }));
}

/** The pan at a sample of the voice: straight lines between the points, level before and after them. */
export function panAt(points: readonly PanPoint[], sample: number): number {
  const after = points.findIndex((point) => point.sample > sample);
  const [left, right] = [points[after < 0 ? points.length - 1 : after - 1], points[after]];
  if (!left) return right?.pan ?? 0;
  if (!right) return left.pan;
  return left.pan + ((right.pan - left.pan) * (sample - left.sample)) / (right.sample - left.sample);
}

/** A stretch of the context's clock that plays a stretch of the timeline, both in samples. Loops are segments after segments. */
export interface Segment {
  contextSample: number;
  from: number;
  to: number;
}

/** The sample of the timeline that sounds at a sample of the context. */
export function positionAt(segments: readonly Segment[], contextSample: number): number {
  let found = segments[0];
  for (const segment of segments) if (segment.contextSample <= contextSample) found = segment;
  if (!found) return 0;
  return Math.max(found.from, Math.min(found.to, found.from + contextSample - found.contextSample));
}
