// Play, stop, shuttle and jump: ties the player, the picture and the playhead together.
import { effect, signal, untracked } from "@preact/signals";
import { api, productionUrl } from "../model/api";
import type { Clip, MediaStatus } from "../model/contract";
import { cellKey, clipAt, evidenceByCell, loaded, notify, playhead, range, state, stemsByCell } from "../model/store";
import { t } from "../model/strings";
import { framesToSeconds, secondsToFrames } from "../model/time";
import { chosenStems } from "./mix";
import { PictureFollower } from "./picture";
import { Player } from "./player";
import { WavError } from "./wav";

export const player = new Player();
/** 0 stands still, 1 plays with sound; other speeds show the picture alone. */
export const speed = signal(0);
export const looping = signal(false);
export const hearing = signal<"mix" | "production">("mix");
export const mediaStatus = signal<ReadonlyMap<string, MediaStatus>>(new Map());
export const levels: [number, number] = [0, 0];

let picture: PictureFollower | null = null;
let shuttle = { frame: 0, at: 0 };
let looked = false;

const first = (): number => state.cut.value.start_frames;
const end = (): number => first() + state.cut.value.duration_frames;
const clamp = (frame: number): number => Math.max(first(), Math.min(end() - 1, frame));

const frameToSampleOf = (frame: number): number =>
  Math.round(framesToSeconds(frame, state.cut.value.rate) * player.sampleRateHz);
const sampleToFrame = (sample: number): number => secondsToFrames(sample / player.sampleRateHz, state.cut.value.rate);

/** The stems that are heard, from the state: called whenever stems, rows, evidence or the cut change. */
function contentOf(): Parameters<Player["setContent"]>[0] {
  const evidence = evidenceByCell.value;
  return {
    stems: chosenStems(stemsByCell.value.values()),
    rows: state.rows.value,
    rate: state.cut.value.rate,
    evidenceOf: (stem) => evidence.get(cellKey(stem.row_id, stem.clip_id)),
    hasProduction: state.has_production.value ?? false,
    startFrame: state.cut.value.start_frames,
  };
}

export function startTransport(): void {
  effect(() => {
    if (!loaded.value) return;
    player.setContent(contentOf());
    if (!looked) {
      looked = true;
      untracked(() => seek(first()));
    }
  });
  effect(() => {
    const loop = looping.value ? range.value : null;
    player.setLoop(loop && { from: frameToSampleOf(loop.from), to: frameToSampleOf(loop.to) });
  });
  requestAnimationFrame(tick);
}

function tick(): void {
  requestAnimationFrame(tick);
  if (speed.value === 0) {
    levels[0] = levels[1] = 0;
    picture?.follow(playhead.value, 0);
    return;
  }
  let frame: number;
  if (speed.value === 1) {
    // At 29.97 the first frame may begin a fraction before the sample that it is rounded to.
    frame = Math.max(first(), sampleToFrame(player.position()));
    [levels[0], levels[1]] = player.mixer?.levels() ?? [0, 0];
  } else frame = shuttle.frame + ((performance.now() - shuttle.at) / 1000) * speed.value * secondsToFrames(1, state.cut.value.rate);
  if (frame >= end() || frame < first()) {
    stop();
    frame = clamp(frame);
  }
  playhead.value = frame;
  if (speed.value < 0) picture?.follow(frame, 0);
  else picture?.follow(frame, speed.value);
}

export function attachPicture(host: HTMLElement): PictureFollower {
  picture = new PictureFollower(host, () => ({
    clipAt,
    rate: state.cut.value.rate,
    status: (media) => {
      const found = mediaStatus.value.get(media);
      if (!found) watchMedia(media);
      return found ?? null;
    },
  }));
  return picture;
}

export const currentPicture = (): PictureFollower | null => picture;

const watched = new Set<string>();

/** Asks how far a file is until it can be shown; a proxy takes as long as it takes. */
function watchMedia(media: string): void {
  if (!media || watched.has(media)) return;
  watched.add(media);
  const ask = async (): Promise<void> => {
    const found: MediaStatus = await api
      .mediaStatus(media)
      .catch((error: Error) => ({ state: "failed", done: null, mime: null, proxy: false, message: error.message }));
    mediaStatus.value = new Map(mediaStatus.value).set(media, found);
    if (found.state === "making") setTimeout(() => void ask(), 700);
  };
  void ask();
}

/** What the media of a clip waits for, for the viewer. */
export const statusOf = (clip: Clip | null): MediaStatus | null =>
  (clip?.media_id && mediaStatus.value.get(clip.media_id)) || null;

/** Sound takes a moment to start: a stop that comes within it counts as well. */
let isStarting = false;
let isWanted = false;

export async function play(): Promise<void> {
  isWanted = true;
  if (speed.value === 1 || isStarting) return;
  if (playhead.value >= end() - 1) seek(first());
  const loop = looping.value ? range.value : null;
  if (loop && (playhead.value < loop.from || playhead.value >= loop.to)) seek(loop.from);
  player.seek(frameToSampleOf(playhead.value));
  isStarting = true;
  const plays = await player.play().finally(() => (isStarting = false));
  if (!isWanted) player.pause();
  else if (plays) speed.value = 1;
  else notify("error", t("play.no_output"), t("play.no_output_remedy"));
}

export function stop(): void {
  isWanted = false;
  player.pause();
  if (speed.value !== 0) playhead.value = clamp(Math.round(playhead.value));
  speed.value = 0;
}

export const toggle = (): void => void (speed.value === 0 && !(isStarting && isWanted) ? play() : stop());

/** J and L: each press goes a step faster that way, K stops. */
export function shuttleBy(direction: 1 | -1): void {
  const speeds = [-8, -4, -2, -1, 0, 1, 2, 4, 8];
  const next = speeds[Math.max(0, Math.min(8, speeds.indexOf(speed.value) + direction))] as number;
  const from = speed.value;
  if (from === 1) player.pause();
  if (next === 1) {
    speed.value = 0;
    void play();
    return;
  }
  if (next === 0) return stop();
  isWanted = false;
  shuttle = { frame: playhead.value, at: performance.now() };
  speed.value = next;
}

export function seek(frame: number): void {
  const to = clamp(frame);
  playhead.value = to;
  shuttle = { frame: to, at: performance.now() };
  player.seek(frameToSampleOf(to));
}

/** A/B: the stems, or the cut's own sound. Media may turn out to have none. */
export async function hear(what: "mix" | "production"): Promise<void> {
  hearing.value = what;
  player.hear(what);
  if (what === "mix") return;
  try {
    await player.cache.source(productionUrl).layout();
  } catch (error) {
    if (error instanceof WavError && error.status > 0) {
      state.has_production.value = false;
      notify("info", t("hear.none"));
    } else notify("error", t("error.unreachable"), t("error.again"));
    await hear("mix");
  }
}

/** Marks where a range begins or ends; a range that would be empty begins anew. */
export function markRange(side: "from" | "to"): void {
  const at = Math.round(playhead.value);
  const old = range.value;
  const from = side === "from" ? at : (old?.from ?? first());
  const to = side === "to" ? at : (old?.to ?? end());
  if (from < to) range.value = { from, to };
  else range.value = side === "from" ? { from, to: end() } : { from: first(), to };
}
