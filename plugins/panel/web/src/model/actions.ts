// What a person does to stems and jobs: used by buttons and keys alike.
import { api } from "./api";
import type { Choice, Stem } from "./contract";
import {
  activeStem, applyChanges, attempt, cellKey, currentRow, notify, ownLiveJobs, selectedClip, selectedRow, state, stemsByCell,
} from "./store";
import { flushRows } from "./rows";
import { t } from "./strings";

const patchStems = (change: (stem: Stem) => Stem): void => applyChanges({ stems: state.stems.value.map(change) });

/** Makes a take the one that is heard and placed. It is heard at once; the server is asked after. */
export async function useTake(stem: Stem): Promise<void> {
  patchStems((one) =>
    one.row_id === stem.row_id && one.clip_id === stem.clip_id ? { ...one, active: one.id === stem.id } : one,
  );
  await attempt(() => api.putStem(stem.id, { active: true }));
}

export async function choose(stem: Stem, choice: Choice): Promise<void> {
  patchStems((one) => (one.id === stem.id ? { ...one, choice } : one));
  await attempt(() => api.putStem(stem.id, { choice }));
}

export const toggleChoice = (stem: Stem, choice: Choice): Promise<void> => choose(stem, stem.choice === choice ? "none" : choice);

export function selectedStems(): Stem[] {
  const [row, clip] = [selectedRow.value, selectedClip.value];
  return row && clip ? (stemsByCell.value.get(cellKey(row, clip)) ?? []) : [];
}

export const selectedStem = (): Stem | undefined => activeStem(selectedStems());

export async function look(): Promise<void> {
  await flushRows();
  await attempt(api.look);
}

export const everyPromptIsEmpty = (): boolean => state.rows.value.every((row) => row.prompt.trim() === "");

export async function renderAll(): Promise<void> {
  if (everyPromptIsEmpty()) return notify("error", t("render.no_prompts"), t("render.no_prompts_remedy"));
  await flushRows();
  await attempt(() => api.render({}));
}

/** Renders the selected cell; without one the selected row; without that everything. */
export async function renderSelected(): Promise<void> {
  const row = currentRow.value;
  if (!row) return renderAll();
  if (row.prompt.trim() === "" && !selectedClip.value) return notify("error", t("render.no_prompts"), t("render.no_prompts_remedy"));
  await flushRows();
  const clip = selectedClip.value;
  await attempt(() => api.render({ row_ids: [row.id], ...(clip ? { clip_ids: [clip] } : {}) }));
}

export async function moreLike(stem: Stem): Promise<void> {
  await flushRows();
  const done = await attempt(() => api.render({ row_ids: [stem.row_id], clip_ids: [stem.clip_id], more_like: stem.id }));
  if (done) notify("info", t("stem.more_like_started"));
}

export async function redo(stem: Stem, from: number, to: number, other: { prompt?: string; seed?: number }): Promise<void> {
  await attempt(() => api.redo({ stem_id: stem.id, from_samples: Math.round(from), to_samples: Math.round(to), ...other }));
}

export const cancelJob = (id: string): Promise<unknown> => attempt(() => api.cancel(id));

export async function cancelAll(): Promise<void> {
  if (ownLiveJobs.value.length > 0) await attempt(api.cancelAll);
}
