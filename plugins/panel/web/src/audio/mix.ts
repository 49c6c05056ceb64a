// What is heard when: pure functions over the state, from which the player schedules and by which the tests judge it.
import type { Evidence, Rational, Row, Stem } from "../model/contract";
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
  stems: readonly Stem[], rows: ReadonlyMap<string, Row>, rate: Rational, sampleRateHz: number,
): Voice[] {
  const voices: Voice[] = [];
  for (const stem of stems) {
    const row = rows.get(stem.row_id);
    if (!row) continue;
    const startSample = frameToSample(stem.start_frames, rate, sampleRateHz);
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

/** Where a voice lies over time, from the place of its prompt in the picture; empty where it stays in the middle. */
export function panPoints(row: Row, evidence: Evidence | undefined, sampleRateHz: number): PanPoint[] {
  if (row.pan !== "envelope" || !evidence || evidence.x.length === 0 || evidence.rate_hz <= 0) return [];
  return evidence.x.map((x, index) => ({
    sample: Math.round((index * sampleRateHz) / evidence.rate_hz),
    pan: Math.max(-1, Math.min(1, x * 2 - 1)),
  }));
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
