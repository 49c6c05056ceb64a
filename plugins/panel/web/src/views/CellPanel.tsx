// One row's sound for one clip: what the model sees, what is different here, the takes and their stretches.
import { useState } from "preact/hooks";
import { looping } from "../audio/transport";
import { choose, moreLike, redo, toggleChoice, useTake } from "../model/actions";
import { stemUrl } from "../model/api";
import type { Clip, Evidence, Hint, Row, Stem } from "../model/contract";
import { activeStem, cellKey, evidenceByCell, isIncluded, liveJobByCell, range, state, stemsByCell } from "../model/store";
import { isMissing } from "../model/evidence";
import { changeOverride } from "../model/rows";
import { hasString, t } from "../model/strings";
import { framesToSeconds, secondsToFrames } from "../model/time";
import { palette } from "../timeline/palette";
import { Progress, ServerText, duration } from "./common";
import { Icon } from "./icons";
import { type Stretch, StemWave } from "./StemWave";

function Seen({ row, clip, evidence }: { row: Row; clip: Clip; evidence: Evidence | undefined }) {
  const included = isIncluded(row, clip.id, evidence);
  const own = row.overrides[clip.id]?.include;
  const percent = Math.round((evidence?.presence ?? 0) * 100);
  return (
    <div class="seen">
      <div class={`verdict ${!evidence ? "unknown" : isMissing(evidence) ? "no" : "yes"}`}>
        <b>{!evidence ? t("seen.unknown") : isMissing(evidence) ? t("seen.no", { percent }) : t("seen.yes", { percent })}</b>
        {evidence && !evidence.acts && <span class="quiet">{t("seen.hint_only")}</span>}
      </div>
      <label class="check">
        <input
          type="checkbox" checked={included}
          onChange={(event) => changeOverride(row.id, clip.id, { include: event.currentTarget.checked })}
        />
        <span>{t("cell.include")}</span>
      </label>
      {own !== undefined && (
        <button class="link" onClick={() => changeOverride(row.id, clip.id, { include: undefined })}>{t("cell.include_default")}</button>
      )}
    </div>
  );
}

function Overrides({ row, clip }: { row: Row; clip: Clip }) {
  const own = row.overrides[clip.id] ?? {};
  const set = (key: "prompt" | "negative", value: string): void =>
    changeOverride(row.id, clip.id, { [key]: value === "" ? undefined : value });
  return (
    <details class="own" open={own.prompt !== undefined || own.negative !== undefined || own.seed !== undefined}>
      <summary>{t("own.title")}</summary>
      <label class="labelled">
        <span>{t("row.prompt")}</span>
        <input value={own.prompt ?? ""} placeholder={row.prompt} maxLength={500} dir="auto" list="suggestions" data-side="own-prompt" onInput={(event) => set("prompt", event.currentTarget.value)} />
      </label>
      <label class="labelled">
        <span>{t("row.negative")}</span>
        <input value={own.negative ?? ""} placeholder={row.negative || t("row.negative_hint")} maxLength={500} dir="auto" onInput={(event) => set("negative", event.currentTarget.value)} />
      </label>
      <label class="labelled">
        <span>{t("own.seed")}</span>
        <input
          type="number" min={0} max={4294967295} value={own.seed ?? ""} placeholder={t("own.seed_hint")}
          onChange={(event) => {
            const text = event.currentTarget.value;
            changeOverride(row.id, clip.id, { seed: text === "" ? undefined : Math.max(0, Math.round(Number(text))) });
          }}
        />
      </label>
    </details>
  );
}

function HintLine({ hint }: { hint: Hint }) {
  const meaning = `hint.${hint.kind}.meaning`;
  const name = `hint.${hint.kind}`;
  return (
    <li class="hint">
      <b>⚠ {hasString(name) ? t(name) : hint.kind}</b> <span>{hint.text}</span>
      {hint.seconds?.map(([from, to]) => <span class="tag" key={from}>{from.toFixed(1)}–{to.toFixed(1)} s</span>)}
      {hasString(meaning) && <p class="quiet">{t(meaning)}</p>}
    </li>
  );
}

/** What was measured of a stem, each value with what it means. */
function Measures({ stem }: { stem: Stem }) {
  const shown = (stem.measures ?? []).filter(({ name }) => hasString(`measure.${name}`));
  if (shown.length === 0) return null;
  return (
    <dl class="measures" aria-label={t("measures")}>
      {shown.map(({ name, value, unit }) => (
        <div key={name} title={t(`measure.${name}.meaning`)}>
          <dt>{t(`measure.${name}`)}</dt>
          <dd>{unit === "" ? `${Math.round(value * 100)} %` : `${value.toFixed(0).replace("-", "−")} ${unit}`}<span class="sr-only"> {t(`measure.${name}.meaning`)}</span></dd>
        </div>
      ))}
    </dl>
  );
}

/** Chromium takes a file out of the page by this; other browsers by the link. */
function dragOut(event: DragEvent, stem: Stem): void {
  const url = new URL(stemUrl(stem.id), location.href).href;
  const name = stem.file_name ?? `${stem.id}.wav`;
  event.dataTransfer?.setData("DownloadURL", `audio/wav:${name.replaceAll(":", "-")}:${url}`);
  event.dataTransfer?.setData("text/uri-list", url);
}

function Take({ stem, number, heard }: { stem: Stem; number: number; heard: boolean }) {
  return (
    <li class={`take ${heard ? "heard" : ""} ${stem.choice}`}>
      <button class="take-main" aria-pressed={heard} onClick={() => void useTake(stem)} title={number <= 9 ? `${t("take.use")} (${number})` : t("take.use")}>
        <b>{t("take", { n: stem.take })}</b>
        <span class="quiet">{t("take.seed", { seed: stem.seed })}{stem.redone_from ? ` · ${t("take.redone")}` : ""}</span>
        {stem.hints.length > 0 && <span class="warn" title={stem.hints.map((hint) => hint.text).join("\n")}>⚠ {stem.hints.length}</span>}
      </button>
      <button class="icon keep" aria-pressed={stem.choice === "keep"} aria-label={t("choice.keep_take", { n: stem.take })} title={`${t("choice.keep")} (Y)`} onClick={() => void toggleChoice(stem, "keep")}><Icon name="keep" /></button>
      <button class="icon reject" aria-pressed={stem.choice === "reject"} aria-label={t("choice.reject_take", { n: stem.take })} title={`${t("choice.reject")} (N)`} onClick={() => void toggleChoice(stem, "reject")}><Icon name="reject" /></button>
      <a
        class="icon" href={stemUrl(stem.id)} download={stem.file_name ?? `${stem.id}.wav`} draggable aria-label={t("take.file", { n: stem.take })}
        title={t("take.drag")} onDragStart={(event) => dragOut(event, stem)}
      ><Icon name="save" /></a>
    </li>
  );
}

/** The range that was marked on the timeline (I and O), as far as it lies in what is heard of a stem. */
function stretchOfRange(stem: Stem): Stretch | null {
  const marked = range.value;
  if (!marked) return null;
  const { rate } = state.cut.value;
  const from = Math.max(0, framesToSeconds(marked.from - stem.start_frames, rate));
  const to = Math.min(stem.length_samples / stem.sample_rate_hz, framesToSeconds(marked.to - stem.start_frames, rate));
  return from < to ? { from, to } : null;
}

function Redo({ stem, stretch, prompt }: { stem: Stem; stretch: Stretch | null; prompt: string }) {
  const [other, setOther] = useState("");
  const loop = (): void => {
    if (!stretch) return;
    const { rate } = state.cut.value;
    range.value = {
      from: Math.round(stem.start_frames + secondsToFrames(stretch.from, rate)), to: Math.round(stem.start_frames + secondsToFrames(stretch.to, rate)),
    };
    looping.value = true;
  };
  const again = (): void => {
    if (!stretch) return;
    const at = (seconds: number): number => stem.offset_samples + seconds * stem.sample_rate_hz;
    void redo(stem, at(stretch.from), at(stretch.to), other.trim() ? { prompt: other.trim() } : {});
  };
  if (!stretch) return <p class="quiet">{t("redo.hint")}</p>;
  return (
    <div class="redo">
      <span class="tag accent">{stretch.from.toFixed(2)}–{stretch.to.toFixed(2)} s</span>
      <input value={other} placeholder={prompt} aria-label={t("redo.prompt")} title={t("redo.prompt")} maxLength={500} dir="auto" onInput={(event) => setOther(event.currentTarget.value)} />
      <button class="button small" onClick={loop}>{t("redo.loop")}</button>
      <button class="button small primary" data-action="redo" onClick={again}>{t("redo.again")}</button>
    </div>
  );
}

function Stems({ row, stems }: { row: Row; stems: Stem[] }) {
  const [stretch, setStretch] = useState<Stretch | null>(null);
  const heard = activeStem(stems);
  const colours = palette.value;
  const colour = colours.rows[state.rows.value.indexOf(row) % 8] ?? colours.accent;
  return (
    <>
      {heard && <StemWave key={heard.id} stem={heard} colour={colour} onStretch={setStretch} />}
      {heard && <Redo stem={heard} stretch={stretch ?? stretchOfRange(heard)} prompt={row.overrides[heard.clip_id]?.prompt ?? row.prompt} />}
      <ul class="takes" aria-label={t("takes")}>
        {stems.map((stem, index) => <Take key={stem.id} stem={stem} number={index + 1} heard={stem.id === heard?.id} />)}
      </ul>
      {heard && (
        <div class="button-row">
          <button class="button small" onClick={() => void moreLike(heard)} title="W">{t("stem.more_like")}</button>
          {heard.choice !== "none" && <button class="link" onClick={() => void choose(heard, "none")}>{t("choice.undo")}</button>}
        </div>
      )}
      {heard && <Measures stem={heard} />}
      {heard && heard.hints.length > 0 && <ul class="hints" aria-label={t("hints")}>{heard.hints.map((hint, index) => <HintLine key={index} hint={hint} />)}</ul>}
    </>
  );
}

export function CellPanel({ row, clip }: { row: Row; clip: Clip }) {
  const key = cellKey(row.id, clip.id);
  const evidence = evidenceByCell.value.get(key);
  const stems = stemsByCell.value.get(key) ?? [];
  const job = liveJobByCell.value.get(key);
  const notes = (state.notes.value ?? []).filter((note) => stems.some((stem) => stem.id === note.stem_id));
  return (
    <div class="panel-part cell">
      {clip.problem && <p class="problem" role="note">⚠ <ServerText message={clip.problem} code={clip.problem_code} /></p>}
      <Seen row={row} clip={clip} evidence={evidence} />
      {job && (
        <div class="job-line">
          <Progress done={job.done} label={t("job.progress")} />
          <span class="quiet">{t(`stage.${job.stage}`) === `stage.${job.stage}` ? job.stage : t(`stage.${job.stage}`)}{job.seconds_left !== null ? ` · ${t("job.left", { time: duration(job.seconds_left) })}` : ""}</span>
        </div>
      )}
      {stems.length > 0 ? <Stems row={row} stems={stems} /> : !job && <p class="quiet">{t("cell.nothing")}</p>}
      {notes.map((note, index) => <p class="note" key={index}><b>{note.by ?? t("notes.director")}:</b> {note.text}</p>)}
      <Overrides row={row} clip={clip} />
    </div>
  );
}
