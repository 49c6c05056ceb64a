// One row of the timeline: its head with the fields that are used most, and its lane.
import { useRef } from "preact/hooks";
import type { Row } from "../model/contract";
import { activeStem, cellKey, clipAt, evidenceByCell, isIncluded, rowById, selectedClip, selectedRow, state, stemsByCell } from "../model/store";
import { isMissing } from "../model/evidence";
import { changeOverride, changePrompt, changeRow, moveRow } from "../model/rows";
import { explain, t } from "../model/strings";
import { playhead } from "../model/store";
import { seek, speed } from "../audio/transport";
import { LaneTile } from "./Tile";
import { HEAD_WIDTH, ROW_HEIGHT, contentWidth, frameToX, scale, tiles, xToFrame } from "./view";

/** Selects a cell and brings the playhead into its clip, so that the viewer shows it. */
export function selectCell(rowId: string | null, clipId: string | null): void {
  if (rowId) selectedRow.value = rowId;
  selectedClip.value = clipId;
  const clip = state.clips.value.find((one) => one.id === clipId);
  if (!clip || speed.value !== 0) return;
  const at = playhead.value;
  if (at < clip.start_frames || at >= clip.start_frames + clip.duration_frames) seek(clip.start_frames);
}

export const toggleIncluded = (rowId: string, clipId: string): void => {
  const row = rowById.value.get(rowId);
  if (!row) return;
  const evidence = evidenceByCell.value.get(cellKey(rowId, clipId));
  changeOverride(rowId, clipId, { include: !isIncluded(row, clipId, evidence) });
};

/** A cell in words, for screen readers. */
export function cellLabel(row: Row, clipId: string): string {
  const clip = state.clips.value.find((one) => one.id === clipId);
  const key = cellKey(row.id, clipId);
  const evidence = evidenceByCell.value.get(key);
  const stems = stemsByCell.value.get(key);
  const heard = activeStem(stems);
  const parts = [`${row.name}, ${clip?.name ?? ""}`];
  if (heard) parts.push(t("cell.label.take", { take: heard.take, of: stems?.length ?? 1 }));
  if (heard?.choice === "keep") parts.push(t("choice.keep.done"));
  if (isMissing(evidence)) parts.push(t("cell.not_seen"));
  else if (evidence?.seen) parts.push(t("cell.label.seen", { percent: Math.round(evidence.presence * 100) }));
  if (!isIncluded(row, clipId, evidence)) parts.push(t("cell.left_out"));
  if (heard?.hints.length) parts.push(t("cell.label.hints", { n: heard.hints.length }));
  if (clip?.problem) parts.push(explain(clip.problem, clip.problem_code).text);
  return parts.join("; ");
}

function Field({ row, field, label, list }: { row: Row; field: "name" | "prompt"; label: string; list?: string }) {
  return (
    <input
      class={`field ${field}`} value={row[field]} placeholder={label} aria-label={`${label}: ${row.name}`} list={list}
      dir="auto" spellcheck={false} autocomplete="off" maxLength={500} data-row={row.id} data-field={field}
      onInput={(event) => {
        const { value } = event.currentTarget;
        if (field === "prompt") changePrompt(row, value);
        else changeRow(row.id, { name: value });
      }}
      onFocus={() => (selectedRow.value = row.id)}
    />
  );
}

function RowHead({ row, index }: { row: Row; index: number }) {
  const grip = useRef<HTMLSpanElement>(null);
  const drag = (event: PointerEvent): void => {
    event.preventDefault();
    const element = grip.current as HTMLSpanElement;
    element.setPointerCapture(event.pointerId);
    const [startY, startIndex] = [event.clientY, index];
    element.onpointermove = (move) => moveRow(row.id, startIndex + Math.round((move.clientY - startY) / ROW_HEIGHT));
    element.onpointerup = element.onpointercancel = () => (element.onpointermove = null);
  };
  return (
    <div class="row-head" role="rowheader" style={{ width: HEAD_WIDTH }} data-colour={index % 8}>
      <span class="grip" ref={grip} onPointerDown={drag} title={t("row.drag")} aria-hidden="true" />
      <div class="row-fields">
        <div class="row-line">
          <Field row={row} field="name" label={t("row.name")} />
          <span class="row-takes" title={t("row.takes")}>{row.takes > 1 ? t("row.takes_short", { n: row.takes }) : ""}</span>
          <button
            class="chip" aria-pressed={row.mute} aria-label={t("row.mute_of", { name: row.name })} title={`${t("row.mute")} (M)`}
            onClick={() => changeRow(row.id, { mute: !row.mute })}
          >M</button>
          <button
            class="chip solo" aria-pressed={row.solo} aria-label={t("row.solo_of", { name: row.name })} title={`${t("row.solo")} (S)`}
            onClick={() => changeRow(row.id, { solo: !row.solo })}
          >S</button>
        </div>
        <Field row={row} field="prompt" label={t("row.prompt")} list="suggestions" />
        <div class="row-line slim">
          <input
            class="gain" type="range" min={-36} max={12} step={0.5} value={row.gain_db} aria-label={t("row.gain_of", { name: row.name })}
            aria-valuetext={`${row.gain_db} dB`} title={t("row.gain_reset")}
            onInput={(event) => changeRow(row.id, { gain_db: Number(event.currentTarget.value) })}
            onDblClick={() => changeRow(row.id, { gain_db: 0 })}
          />
          <output class="decibels">{row.gain_db > 0 ? "+" : ""}{row.gain_db.toFixed(1)} dB</output>
        </div>
      </div>
    </div>
  );
}

/** The one cell that keys act on, over the canvas: what screen readers are at. */
function ActiveCell({ row }: { row: Row }) {
  const clipId = selectedClip.value;
  const clip = clipId ? state.clips.value.find((one) => one.id === clipId) : null;
  if (!clip || selectedRow.value !== row.id) return null;
  return (
    <div
      class="active-cell" role="gridcell" id="active-cell" aria-selected="true" aria-label={cellLabel(row, clip.id)}
      style={{ left: frameToX(clip.start_frames), width: Math.max(3, clip.duration_frames * scale.value - 1) }}
    />
  );
}

export function Lane({ row, index }: { row: Row; index: number }) {
  const { first, last } = tiles.value;
  const select = (event: MouseEvent): string | null => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const clip = clipAt(xToFrame(event.clientX - box.left));
    selectCell(row.id, clip?.id ?? null);
    return clip?.id ?? null;
  };
  const shown = [];
  for (let tile = first; tile <= last; tile++) shown.push(<LaneTile key={tile} index={tile} rowId={row.id} colourIndex={index} />);
  return (
    <div
      class={selectedRow.value === row.id ? "row selected" : "row"} role="row" aria-rowindex={index + 1} style={{ top: index * ROW_HEIGHT, height: ROW_HEIGHT }}
      data-row={row.id}
    >
      <RowHead row={row} index={index} />
      <div
        class="lane" style={{ width: contentWidth.value }} onClick={select}
        onDblClick={(event) => {
          const clip = select(event);
          if (clip) toggleIncluded(row.id, clip);
        }}
      >
        {shown}
        <ActiveCell row={row} />
      </div>
    </div>
  );
}
