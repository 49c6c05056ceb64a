// What goes where: first as a table, then into the host or into a file; and pages to send and notes that come back.
import { computed, signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { type Delivered, api, downloadUrl } from "../model/api";
import type { Placed, Plan } from "../model/contract";
import { attempt, notify, state } from "../model/store";
import { flushRows } from "../model/rows";
import { language, t } from "../model/strings";

const plan = signal<{ target: string; label: string; plan: Plan; content: string } | null>(null);
const busy = signal(false);
const exporting = signal(false);

/** What a plan was made of: takes that are chosen afterwards would not be placed by it. */
const placedContent = computed(() =>
  JSON.stringify([
    state.stems.value.map(({ id, active, choice }) => [id, active, choice]),
    state.rows.value.map(({ id, name, prompt, gain_db, pan, solo, mute }) => [id, name, prompt, gain_db, pan, solo, mute]),
  ]),
);

async function run<T>(work: () => Promise<T>): Promise<T | undefined> {
  if (busy.value) return undefined;
  busy.value = true;
  try {
    await flushRows();
    return await attempt(work);
  } finally {
    busy.value = false;
  }
}

/** The last file that was written, as a download; it lies beside the cut as well. */
const written = signal<string | null>(null);

/** Saves what a download's answer names: the server keeps it under an id. */
function fetchDownload(answer: Delivered | undefined): void {
  if (!answer?.download_id) return;
  const link = document.createElement("a");
  link.href = downloadUrl(answer.download_id);
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

export async function planFor(target: string, label: string): Promise<void> {
  const made = await run(async () => {
    const content = placedContent.value;
    return { content, plan: await api.plan(target) };
  });
  if (made) plan.value = { target, label, ...made };
}

function PlanTable({ made }: { made: Plan }) {
  const conflicts = made.lines.filter((line) => line.conflict).length;
  return (
    <>
      <p class={conflicts ? "problem" : "quiet"}>{conflicts ? `⚠ ${t("place.conflicts", { n: conflicts })}` : t("place.no_conflicts", { n: made.lines.length })}</p>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={t("place.what")}>
        <table class="table">
          <thead><tr><th scope="col">{t("place.track")}</th><th scope="col">{t("place.start")}</th><th scope="col">{t("place.length")}</th><th scope="col">{t("place.conflict")}</th></tr></thead>
          <tbody>
            {made.lines.slice(0, 500).map((line, index) => (
              <tr key={`${line.stem_id}/${index}`} class={line.conflict ? "conflict" : ""}>
                <td>{line.track}</td><td class="number">{line.start_timecode}</td><td class="number">{line.seconds.toFixed(2)} s</td>
                <td>{line.conflict ? `⚠ ${line.conflict}` : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {made.lines.length > 500 && <p class="quiet">{t("place.more", { n: made.lines.length - 500 })}</p>}
    </>
  );
}

const isFile = (target: string): boolean => (state.save_formats.value ?? []).some((one) => one.format === target);

/** The table of what goes where, with the button that does it: under the heading of the host, or of the file, that it is for. */
function Planned({ planned, act }: { planned: NonNullable<typeof plan.value>; act: string }) {
  const place = async (): Promise<void> => {
    const done = await run(() => api.place(planned.plan.plan_id));
    if (!done) return;
    plan.value = null;
    written.value = done.download_id ?? null;
    notify("info", isFile(planned.target) ? t("save.done") : t("place.done", { label: planned.label }));
  };
  const isOutdated = planned.content !== placedContent.value;
  return (
    <>
      <PlanTable made={planned.plan} />
      {isOutdated && <p class="problem" role="status">⚠ {t("place.outdated")}</p>}
      <div class="button-row">
        {isOutdated ? (
          <button class="button primary" disabled={busy.value} onClick={() => void planFor(planned.target, planned.label)}>{t("place.again")}</button>
        ) : <button class="button primary" disabled={busy.value || planned.plan.lines.length === 0} onClick={() => void place()}>{act}</button>}
        <button class="button" onClick={() => (plan.value = null)}>{t("cancel")}</button>
      </div>
    </>
  );
}

function Place() {
  const targets = state.can_place.value.filter(({ target }) => !isFile(target));
  const shown = plan.value && !isFile(plan.value.target) ? plan.value : null;
  if (!shown && targets.length === 0) return <p class="quiet">{t("place.no_host")}</p>;
  if (!shown)
    return (
      <>
        <p class="quiet">{state.stems.value.length > 0 ? t("place.choose") : t("place.nothing")}</p>
        <div class="button-row">
          {targets.map(({ target, label }) => (
            <button key={target} class="button" disabled={busy.value || state.stems.value.length === 0} onClick={() => void planFor(target, label)}>{t("place.into", { label })}</button>
          ))}
        </div>
      </>
    );
  return <Planned planned={shown} act={t("place.into", { label: shown.label })} />;
}

function Report({ placed }: { placed: Placed }) {
  const remove = async (): Promise<void> => {
    if (!(await run(async () => (await api.removePlaced(), true)))) return;
    written.value = null;
    notify("info", t("place.removed"));
  };
  return (
    <div class="report">
      <h2 class="part">{t(isFile(placed.target) ? "save.report" : "place.report", { label: placed.label ?? placed.target })}</h2>
      <ul>
        {(placed.report ?? []).slice(0, 200).map((line, index) => (
          <li key={index}>{[line.track, line.start_timecode, line.text].filter(Boolean).join(" · ")}</li>
        ))}
      </ul>
      <div class="button-row">
        {written.value && <a class="button small" href={downloadUrl(written.value)} download="">{t("place.copy")}</a>}
        <button class="button small danger" disabled={busy.value} onClick={() => void remove()}>{t("place.remove")}</button>
      </div>
    </div>
  );
}

function Save() {
  const formats = state.save_formats.value ?? [];
  const [format, setFormat] = useState("");
  const chosen = formats.find((one) => one.format === format) ?? formats[0];
  if (!chosen) return null;
  const save = async (): Promise<void> => {
    const done = await run(() => api.save(chosen.format));
    if (!done) return;
    written.value = done.download_id ?? null;
    plan.value = null;
    notify("info", t("save.done"));
  };
  const none = busy.value || state.stems.value.length === 0;
  if (plan.value && isFile(plan.value.target))
    return (
      <>
        <h2 class="part">{t("save.title")}</h2>
        <p class="quiet">{plan.value.label}</p>
        <Planned planned={plan.value} act={t("save")} />
      </>
    );
  return (
    <>
      <h2 class="part">{t("save.title")}</h2>
      <p class="quiet">{t("save.text")}</p>
      <div class="button-row">
        <select class="select" aria-label={t("save.format")} value={chosen.format} onChange={(event) => setFormat(event.currentTarget.value)}>
          {formats.map((one) => <option key={one.format} value={one.format}>{one.label}</option>)}
        </select>
        <button class="button" disabled={none} onClick={() => void planFor(chosen.format, chosen.label)}>{t("place.what")}</button>
        <button class="button" disabled={none} onClick={() => void save()}>{t("save")}</button>
      </div>
    </>
  );
}

function Send() {
  const input = useRef<HTMLInputElement>(null);
  const read = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    let notes: unknown;
    try {
      notes = JSON.parse(await file.text());
    } catch {
      return notify("error", t("notes.not_json", { name: file.name }), t("notes.not_json_remedy"));
    }
    if (await run(async () => (await api.importNotes(notes), true))) notify("info", t("notes.read", { name: file.name }));
  };
  const exportPage = async (): Promise<void> => {
    exporting.value = true;
    const made = await run(() => api.exportPage(language.value));
    exporting.value = false;
    fetchDownload(made);
  };
  return (
    <>
      <h2 class="part">{t("send.title")}</h2>
      <p class="quiet">{t("send.text")}</p>
      <div class="button-row">
        <button class="button" disabled={busy.value || state.stems.value.length === 0} title={state.stems.value.length === 0 ? t("place.nothing") : undefined} onClick={() => void exportPage()}>{t("send.export")}</button>
        <button class="button" onClick={() => input.current?.click()}>{t("notes.import")}</button>
        <input
          ref={input} type="file" accept=".json,application/json" hidden aria-label={t("notes.import")}
          onChange={(event) => {
            void read(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      {exporting.value && <p class="quiet" role="status">{t("send.making")}</p>}
      {(state.notes.value ?? []).map((note, index) => <p class="note" key={index}><b>{note.by ?? t("notes.director")}:</b> {note.text}</p>)}
    </>
  );
}

export function PlacePanel() {
  return (
    <div class="panel-part">
      <h2 class="part">{t("place.title")}</h2>
      <Place />
      {state.placed.value && <Report placed={state.placed.value} />}
      <Save />
      <Send />
    </div>
  );
}
