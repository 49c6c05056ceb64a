// The right side: the sound that is selected, the queue, and what is placed.
import { cancelAll, cancelJob } from "../model/actions";
import type { Job } from "../model/contract";
import { clipById, currentClip, currentRow, liveJobs, ownLiveJobs, rowById, selectedClip, state } from "../model/store";
import { hasString, t } from "../model/strings";
import { CellPanel } from "./CellPanel";
import { Progress, ServerText, duration } from "./common";
import { type Side as SideName, side } from "./dialogs";
import { Icon } from "./icons";
import { PlacePanel } from "./PlacePanel";
import { RowPanel } from "./RowPanel";

function Sound() {
  const row = currentRow.value;
  const clip = currentClip.value;
  if (!row) return <p class="nothing">{t("sound.nothing")}</p>;
  return (
    <>
      <div class="breadcrumb">
        <i class="swatch" data-colour={state.rows.value.indexOf(row) % 8} aria-hidden="true" />
        <h2>{row.name}</h2>
        {clip && <><span aria-hidden="true">▸</span><span class="crumb">{clip.name}</span>
          <button class="link" onClick={() => (selectedClip.value = null)}>{t("cell.whole_row")}</button></>}
      </div>
      {clip ? <CellPanel key={`${row.id}/${clip.id}`} row={row} clip={clip} /> : <RowPanel key={row.id} row={row} />}
    </>
  );
}

export const stageName = (job: Job): string => {
  const state_ = `job.state.${job.state}`;
  if (job.state !== "running") return hasString(state_) ? t(state_) : job.state;
  return hasString(`stage.${job.stage}`) ? t(`stage.${job.stage}`) : job.stage;
};

function jobTitle(job: Job): string {
  if (!job.mine) return t("job.other");
  const names = job.row_ids.map((id) => rowById.value.get(id)?.name).filter(Boolean);
  const rows = names.length > 2 ? t("queue.rows", { n: names.length }) : names.join(", "); // a long list would hide the clip
  const clips = job.clip_ids.map((id) => clipById.value.get(id)?.name).filter(Boolean);
  const where = clips.length > 2 ? t("cut.clips", { n: clips.length }) : clips.join(", ");
  const what = job.kind === "look" ? t("job.look") : job.kind === "redo" ? `${t("redo.again")}: ${rows}` : rows;
  return [what, where].filter(Boolean).join(" ▸ ");
}

function JobLine({ job }: { job: Job }) {
  const live = !["done", "failed", "cancelled"].includes(job.state);
  return (
    <li class={`job ${job.state} ${job.mine ? "mine" : "other"}`}>
      <div class="job-head">
        <b>{jobTitle(job)}</b>
        {live && job.mine && <button class="icon" onClick={() => void cancelJob(job.id)} aria-label={t("job.cancel_of", { name: jobTitle(job) })} title={t("job.cancel")}><Icon name="reject" /></button>}
      </div>
      {live && <Progress done={job.done} label={jobTitle(job)} />}
      <span class="quiet">
        {stageName(job)}
        {live && job.seconds_left !== null && job.state === "running" ? ` · ${t("job.left", { time: duration(job.seconds_left) })}` : ""}
        {job.message && <> · <ServerText message={job.message} code={job.code} /></>}
      </span>
    </li>
  );
}

function Queue() {
  const jobs = state.jobs.value;
  const live = liveJobs.value;
  const past = jobs.filter((job) => !live.includes(job)).slice(-12).reverse();
  return (
    <div class="panel-part">
      <div class="button-row">
        <button class="button small" onClick={() => void cancelAll()} disabled={ownLiveJobs.value.length === 0}>{t("job.cancel_all")}</button>
        <span class="quiet">{t("queue.count", { n: live.length })}</span>
      </div>
      {live.length > 0 ? <ul class="jobs">{live.slice(0, 60).map((job) => <JobLine key={job.id} job={job} />)}</ul> : <p class="nothing">{t("queue.empty")}</p>}
      {past.length > 0 && <><h2 class="part">{t("queue.past")}</h2><ul class="jobs past">{past.map((job) => <JobLine key={job.id} job={job} />)}</ul></>}
    </div>
  );
}

const TABS: SideName[] = ["sound", "queue", "place"];

export function Side() {
  const shown = side.value;
  const count = liveJobs.value.length;
  const turn = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = TABS[(TABS.indexOf(shown) + step + TABS.length) % TABS.length] as SideName;
    side.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <aside class="side" aria-label={t("side")}>
      <div class="tabs" role="tablist" aria-label={t("side")} onKeyDown={turn}>
        {TABS.map((name) => (
          <button
            key={name} role="tab" id={`tab-${name}`} aria-selected={shown === name} aria-controls="side-panel" tabIndex={shown === name ? 0 : -1}
            onClick={() => (side.value = name)}
          >{t(`tab.${name}`)}{name === "queue" && count > 0 && <span class="badge">{count}</span>}</button>
        ))}
      </div>
      <div class="side-body" role="tabpanel" id="side-panel" aria-labelledby={`tab-${shown}`} tabIndex={0}>
        {shown === "sound" ? <Sound /> : shown === "queue" ? <Queue /> : <PlacePanel />}
      </div>
    </aside>
  );
}
