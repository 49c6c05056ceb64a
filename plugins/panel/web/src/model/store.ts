// The state of the session as the server has it, and what this page looks at. Views read signals and are drawn anew by them alone.
import { batch, computed, signal } from "@preact/signals";
import { ApiError, api } from "./api";
import type { Clip, Evidence, Job, PanelState, Row, Stem } from "./contract";
import { isLive } from "./contract";
import { isMissing } from "./evidence";
import { explain, hasString, t } from "./strings";

const EMPTY: PanelState = {
  revision: 0,
  cut: { name: "", source: "file", scope: "timeline", rate: [25, 1], drop_frame: false, start_frames: 0, duration_frames: 1 },
  clips: [], markers: [], rows: [], evidence: [], stems: [], jobs: [],
  daemon: { state: "starting", message: null, model: null, device: null, models: [] },
  suggestions: [], can_place: [], placed: null,
};

const slices = Object.fromEntries(
  [...Object.keys(EMPTY), "estimate", "has_production", "save_formats", "notes", "saving_problem"].map((key) => [
    key,
    signal((EMPTY as unknown as Record<string, unknown>)[key]),
  ]),
) as unknown as { [K in keyof Required<PanelState>]: { value: PanelState[K] } };

export const state = slices;
export const loaded = signal(false);
export const connected = signal(false);
/** Whether the server answers, but no longer this page: the panel was started again, or the browser has lost its cookie. */
export const ended = signal(false);

export function applyChanges(changes: Partial<PanelState>): void {
  batch(() => {
    for (const [key, value] of Object.entries(changes)) {
      const slice = (slices as Record<string, { value: unknown }>)[key];
      if (slice && slice.value !== value) slice.value = value;
    }
  });
}

export function applyState(whole: PanelState): void {
  batch(() => {
    applyChanges({ ...whole, clips: [...whole.clips].sort((a, b) => a.start_frames - b.start_frames) });
    loaded.value = true;
  });
}

// --- what this page looks at

export const selectedRow = signal<string | null>(null);
export const selectedClip = signal<string | null>(null);
export const range = signal<{ from: number; to: number } | null>(null);
/** Frame of the timeline under the playhead, not rounded while it plays. */
export const playhead = signal(0);
export const theme = signal<"auto" | "light" | "dark">("auto");

export const rowById = computed(() => new Map(state.rows.value.map((row) => [row.id, row])));
export const clipById = computed(() => new Map(state.clips.value.map((clip) => [clip.id, clip])));
export const cellKey = (row: string, clip: string): string => `${row}\n${clip}`;

export const evidenceByCell = computed(
  () => new Map(state.evidence.value.map((found): [string, Evidence] => [cellKey(found.row_id, found.clip_id), found])),
);

/** Stems of each cell, ordered by take. */
export const stemsByCell = computed(() => {
  const cells = new Map<string, Stem[]>();
  for (const stem of state.stems.value) {
    const key = cellKey(stem.row_id, stem.clip_id);
    const held = cells.get(key);
    if (held) held.push(stem);
    else cells.set(key, [stem]);
  }
  for (const stems of cells.values()) stems.sort((a, b) => a.take - b.take);
  return cells;
});

export const currentRow = computed<Row | null>(() => rowById.value.get(selectedRow.value ?? "") ?? null);
export const currentClip = computed<Clip | null>(() => clipById.value.get(selectedClip.value ?? "") ?? null);
export const liveJobs = computed<Job[]>(() => state.jobs.value.filter(isLive));
export const ownLiveJobs = computed<Job[]>(() => liveJobs.value.filter((job) => job.mine));

/** Jobs that make something of a cell now. */
export const liveJobByCell = computed(() => {
  const cells = new Map<string, Job>();
  for (const job of ownLiveJobs.value)
    for (const row of job.row_ids) for (const clip of job.clip_ids) cells.set(cellKey(row, clip), job);
  return cells;
});

export const activeStem = (stems: Stem[] | undefined): Stem | undefined =>
  stems?.find((stem) => stem.active) ?? stems?.find((stem) => stem.choice !== "reject");

/** Whether a render takes a cell along: where the prompt is not seen, only if a person says so. The server decides by the same. */
export function isIncluded(row: Row, clipId: string, evidence: Evidence | undefined): boolean {
  const own = row.overrides[clipId]?.include;
  if (own !== undefined) return own;
  return promptOf(row, clipId) !== "" && !isMissing(evidence);
}

export const promptOf = (row: Row, clipId: string): string => (row.overrides[clipId]?.prompt ?? row.prompt).trim();

/** The clip that is seen at a frame; of several tracks the one listed last, which lies on top. */
export function clipAt(frame: number): Clip | null {
  const clips = state.clips.value;
  let low = 0;
  let high = clips.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((clips[middle] as Clip).start_frames <= frame) low = middle + 1;
    else high = middle;
  }
  for (let index = low - 1; index >= Math.max(0, low - 64); index--) {
    const clip = clips[index] as Clip;
    if (frame < clip.start_frames + clip.duration_frames) return clip;
  }
  return null;
}

// --- messages to the person

export interface Notice {
  id: number;
  kind: "info" | "error";
  text: string;
  remedy: string;
  detail: string;
}

export const notices = signal<Notice[]>([]);
let nextNotice = 1;

export function notify(kind: Notice["kind"], text: string, remedy = "", detail = ""): void {
  const id = nextNotice++;
  const others = notices.value.filter((one) => one.kind !== kind || one.text !== text || one.remedy !== remedy || one.detail !== detail);
  notices.value = [...others.slice(-3), { id, kind, text, remedy, detail }];
  if (kind === "info") setTimeout(() => dismiss(id), 6000);
}

export const dismiss = (id: number): void => {
  notices.value = notices.value.filter((notice) => notice.id !== id);
};

/** Runs a request; an error becomes a notice with its remedy. Gives undefined then. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const own = `error.${error.code}`;
    const { text, detail } = explain(error.message, error.code);
    if (detail) notify("error", text, "", [detail, error.remedy].filter(Boolean).join(" "));
    else if (error.message) notify("error", error.message, error.remedy);
    else notify("error", hasString(own) ? t(own) : t("error.http", { status: error.status }), t("error.again"));
    return undefined;
  }
}

export async function reload(): Promise<void> {
  const whole = await attempt(api.state);
  if (whole) applyState(whole);
}
