// The line at the bottom: what a render would make and take, and how far the running ones are.
import { useEffect, useRef, useState } from "preact/hooks";
import { cancelAll, everyPromptIsEmpty, look, renderAll, renderSelected } from "../model/actions";
import { currentClip, currentRow, evidenceByCell, cellKey, isIncluded, ownLiveJobs, state, stemsByCell } from "../model/store";
import { t } from "../model/strings";
import { Progress, duration } from "./common";
import { side } from "./dialogs";
import { stageName } from "./Side";

/** Cells that are to be rendered and have no stem yet, where the server does not say. */
function countOpenCells(): number {
  let cells = 0;
  for (const row of state.rows.value)
    for (const clip of state.clips.value) {
      const key = cellKey(row.id, clip.id);
      if (!stemsByCell.value.has(key) && isIncluded(row, clip.id, evidenceByCell.value.get(key))) cells += 1;
    }
  return cells;
}

/** Why there is nothing to render: "everything is rendered" is wrong where nothing could be. */
function whyNothing(): string {
  if (everyPromptIsEmpty()) return "render.no_prompts";
  if (state.clips.value.every((clip) => clip.problem && clip.problem_code !== "clip-warning")) return "estimate.no_clips";
  return state.stems.value.length === 0 ? "estimate.left_out" : "estimate.nothing";
}

function Estimate() {
  const estimate = state.estimate.value;
  const cells = estimate?.cells ?? countOpenCells();
  if (state.rows.value.length === 0) return <span class="quiet">{t("estimate.no_rows")}</span>;
  if (cells === 0) return <span class="quiet">{t(whyNothing())}</span>;
  const seconds = estimate?.seconds;
  return (
    <span class="estimate">
      {t("estimate.cells", { n: cells })}{seconds !== null && seconds !== undefined && <> · <b>{t("estimate.time", { time: duration(seconds) })}</b></>}
    </span>
  );
}

/** Speaks progress in quarters: each per cent would be read aloud. */
function Announcer({ done, count, stage }: { done: number; count: number; stage: string }) {
  const [text, setText] = useState("");
  const last = useRef({ count: 0, quarter: -1 });
  useEffect(() => {
    const quarter = Math.floor(done * 4);
    if (count === last.current.count && quarter === last.current.quarter) return;
    if (count === 0 && last.current.count > 0) setText(t("live.done"));
    else if (count > 0) setText(t("live.progress", { n: count, percent: quarter * 25, stage }));
    last.current = { count, quarter };
  }, [done, count, stage]);
  return <p class="sr-only" role="status" aria-live="polite">{text}</p>;
}

export function Footer() {
  const jobs = ownLiveJobs.value;
  const done = jobs.length ? jobs.reduce((sum, job) => sum + job.done, 0) / jobs.length : 0;
  const left = jobs.reduce<number | null>((most, job) => (job.seconds_left === null ? most : Math.max(most ?? 0, job.seconds_left)), null);
  const running = jobs.find((job) => job.state === "running") ?? jobs[0];
  const others = state.jobs.value.filter((job) => !job.mine && !["done", "failed", "cancelled"].includes(job.state)).length;
  const chosen = currentRow.value ? (currentClip.value ? t("render.cell") : t("render.row")) : null;
  return (
    <footer class="footer">
      <Announcer done={done} count={jobs.length} stage={running ? stageName(running) : ""} />
      {running ? (
        <button class="running" onClick={() => (side.value = "queue")} title={t("tab.queue")}>
          <b>{t("render.running", { n: jobs.length })}</b>
          <Progress done={done} label={t("job.progress")} />
          <span class="quiet">{stageName(running)}{left !== null ? ` · ${t("job.left", { time: duration(left) })}` : ""}</span>
        </button>
      ) : <Estimate />}
      {others > 0 && <span class="tag">{t("queue.others", { n: others })}</span>}
      <span class="spring" />
      {jobs.length > 0 && <button class="button" onClick={() => void cancelAll()} title="Ctrl .">{t("job.cancel_all")}</button>}
      <button class="button" onClick={() => void look()} disabled={state.rows.value.length === 0} title={`${t("look.hint")} (V)`}>{t("look")}</button>
      {chosen && <button class="button" onClick={() => void renderSelected()} title="Enter">{chosen}</button>}
      <button class="button primary" onClick={() => void renderAll()} disabled={state.rows.value.length === 0} title="Shift Enter">{t("render.all")}</button>
    </footer>
  );
}
