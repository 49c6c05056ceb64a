// What of the timeline is on the screen: scale, scroll, and the tiles that follow from them.
import { computed, signal } from "@preact/signals";
import type { Clip } from "../model/contract";
import { playhead, state } from "../model/store";

export const HEAD_WIDTH = 332;
export const RULER_HEIGHT = 24;
export const STRIP_HEIGHT = 54;
export const ROW_HEIGHT = 76;
export const TILE_WIDTH = 480;
const MAX_PIXELS_PER_FRAME = 24;
/** Browsers draw nothing beyond 2^25 pixels, some less. */
const MAX_WIDTH = 12_000_000;

export const viewport = signal({ width: 800, height: 400 });
export const scroll = signal({ left: 0, top: 0 });
const chosenScale = signal<number | null>(null);

const laneWidth = computed(() => Math.max(100, viewport.value.width - HEAD_WIDTH));
export const fitScale = computed(() => (laneWidth.value - 24) / Math.max(1, state.cut.value.duration_frames));

/** So that a clip is wide enough to read where the whole cut would be too narrow. */
const openingScale = computed(() => {
  const clips = state.clips.value;
  if (clips.length < 2) return fitScale.value;
  const mean = state.cut.value.duration_frames / clips.length;
  return Math.max(fitScale.value, Math.min(MAX_PIXELS_PER_FRAME, 110 / Math.max(1, mean)));
});

/** Pixels per frame. */
export const scale = computed(() => {
  const widest = Math.min(MAX_PIXELS_PER_FRAME, MAX_WIDTH / Math.max(1, state.cut.value.duration_frames));
  return Math.max(Math.min(fitScale.value, widest), Math.min(chosenScale.value ?? openingScale.value, widest));
});

export const contentWidth = computed(() => Math.ceil(state.cut.value.duration_frames * scale.value) + 24);
export const frameToX = (frame: number): number => (frame - state.cut.value.start_frames) * scale.value;
export const xToFrame = (x: number): number => x / scale.value + state.cut.value.start_frames;

/** Tiles on the screen and one to each side; an object only when they change, so that scrolling within a tile draws nothing. */
let heldTiles = { first: 0, last: 0 };
export const tiles = computed(() => {
  const left = scroll.value.left;
  const count = Math.ceil(contentWidth.value / TILE_WIDTH);
  const first = Math.max(0, Math.floor(left / TILE_WIDTH) - 1);
  const last = Math.min(count - 1, Math.floor((left + laneWidth.value) / TILE_WIDTH) + 1);
  if (first !== heldTiles.first || last !== heldTiles.last) heldTiles = { first, last };
  return heldTiles;
});

let heldRows = { first: 0, last: 0 };
export const visibleRows = computed(() => {
  const { top } = scroll.value;
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - 1);
  const last = Math.min(state.rows.value.length - 1, Math.ceil((top + viewport.value.height) / ROW_HEIGHT) + 1);
  if (first !== heldRows.first || last !== heldRows.last) heldRows = { first, last };
  return heldRows;
});

const longest = computed(() => state.clips.value.reduce((most, clip) => Math.max(most, clip.duration_frames), 0));

/** Clips that lie between two frames, in order. */
export function clipsBetween(from: number, to: number): Clip[] {
  const clips = state.clips.value;
  let low = 0;
  let high = clips.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((clips[middle] as Clip).start_frames < from - longest.value) low = middle + 1;
    else high = middle;
  }
  const found: Clip[] = [];
  for (let index = low; index < clips.length; index++) {
    const clip = clips[index] as Clip;
    if (clip.start_frames >= to) break;
    if (clip.start_frames + clip.duration_frames > from) found.push(clip);
  }
  return found;
}

let scroller: HTMLElement | null = null;
export const bindScroller = (element: HTMLElement | null): void => {
  scroller = element;
};

/** Changes the scale; what is under `anchorX` of the lanes, by default the playhead, stays there. */
export function zoomBy(factor: number, anchorX?: number): void {
  const left = scroll.value.left;
  const anchor = anchorX ?? Math.max(0, Math.min(laneWidth.value, frameToX(playhead.value) - left));
  const frame = xToFrame(left + anchor);
  chosenScale.value = scale.value * factor;
  requestAnimationFrame(() => {
    if (scroller) scroller.scrollLeft = frameToX(frame) - anchor;
  });
}

export function zoomToFit(): void {
  chosenScale.value = chosenScale.value === fitScale.value ? null : fitScale.value;
}

/** Brings a stretch of the timeline and a row onto the screen. */
export function reveal(fromFrame: number, toFrame: number, row = -1): void {
  if (!scroller) return;
  const [left, right] = [frameToX(fromFrame), frameToX(toFrame)];
  const { left: at, top } = scroll.value;
  if (left < at || right > at + laneWidth.value)
    scroller.scrollLeft = right - left > laneWidth.value ? left - 16 : left - (laneWidth.value - (right - left)) / 2;
  if (row < 0) return;
  const free = viewport.value.height - RULER_HEIGHT - STRIP_HEIGHT;
  if (row * ROW_HEIGHT < top) scroller.scrollTop = row * ROW_HEIGHT;
  else if ((row + 1) * ROW_HEIGHT > top + free) scroller.scrollTop = (row + 1) * ROW_HEIGHT - free;
}

/** Turns the page when the playhead leaves it while playing. */
export function followPlayhead(): void {
  if (!scroller) return;
  const x = frameToX(playhead.value) - scroll.value.left;
  if (x > laneWidth.value - 8 || x < 0) scroller.scrollLeft = frameToX(playhead.value) - 32;
}
