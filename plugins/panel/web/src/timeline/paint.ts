// What a lane shows: thumbnails, where and when a prompt is seen, waveforms, and marks for what a person should know.
import type { Clip, Evidence, Job, Row, Stem } from "../model/contract";
import { isMissing } from "../model/evidence";
import { t } from "../model/strings";
import type { Palette } from "./palette";
import { stripOf, waveOf } from "./sources";

export interface Cell {
  clip: Clip;
  row: Row;
  evidence: Evidence | undefined;
  stems: Stem[] | undefined;
  job: Job | undefined;
  included: boolean;
  heard: Stem | undefined;
}

interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

type Context = CanvasRenderingContext2D;
/** Presence from which on evidence counts as seen. */
export const SEEN = 0.5;
const FONT = "11px system-ui, sans-serif";

function roundedClip(ctx: Context, { x, y, w, h }: Box, radius = 4): void {
  ctx.beginPath();
  ctx.roundRect(x, y, w, h, Math.min(radius, w / 2));
  ctx.clip();
}

/**
 * Thumbnails side by side in their own shape, the last one cut off where the clip ends; `visit` gets each with its moment in the
 * clip, 0..1.
 */
export function paintThumbnails(ctx: Context, clip: Clip, box: Box, alpha: number, visit?: (slot: Box, at: number) => void): void {
  const strip = stripOf(clip.id, box.w, box.h);
  if (!strip) return;
  const { image, count } = strip;
  const source = image.width / count;
  const width = (box.h * source) / image.height;
  const slots: [Box, number][] = [];
  ctx.globalAlpha = alpha;
  for (let x = 0; x < box.w; x += width) {
    const at = Math.min(1, (x + Math.min(width, box.w - x) / 2) / box.w);
    const index = Math.min(count - 1, Math.floor(at * count));
    ctx.drawImage(image, index * source, 0, source, image.height, box.x + x, box.y, width + 0.5, box.h);
    slots.push([{ x: box.x + x, y: box.y, w: width, h: box.h }, (index + 0.5) / count]);
  }
  ctx.globalAlpha = 1;
  if (visit) for (const [slot, at] of slots) visit(slot, at);
}

const sample = (curve: readonly number[], at: number): number =>
  curve[Math.max(0, Math.min(curve.length - 1, Math.round(at * (curve.length - 1))))] ?? 0;

/** A ring on each thumbnail where the prompt is seen in it: strong where the model is sure, wide where it is spread. */
function paintPlace(ctx: Context, cell: Cell, box: Box, colour: string, shade: string): void {
  const { evidence, clip } = cell;
  paintThumbnails(ctx, clip, box, cell.heard ? 0.22 : 0.5, (slot, at) => {
    if (!evidence?.seen || evidence.x.length === 0 || slot.w < 16) return;
    const presence = sample(evidence.presence_curve, at);
    if (presence < SEEN) return;
    const radius = Math.max(5, Math.min(slot.h * 0.4, sample(evidence.spread, at) * slot.h));
    ctx.globalAlpha = cell.heard ? 0.5 : 0.45 + 0.55 * presence;
    ctx.lineWidth = 3.5;
    ctx.strokeStyle = shade;
    ctx.beginPath();
    ctx.arc(slot.x + sample(evidence.x, at) * slot.w, slot.y + sample(evidence.y, at) * slot.h, radius, 0, 2 * Math.PI);
    ctx.stroke();
    ctx.lineWidth = 1.75;
    ctx.strokeStyle = colour;
    ctx.stroke();
    ctx.globalAlpha = 1;
  });
}

/** Presence over time as an area along the lower edge. */
function paintPresence(ctx: Context, evidence: Evidence, box: Box, colour: string): void {
  const curve = evidence.presence_curve;
  const height = box.h * 0.38;
  const bottom = box.y + box.h;
  ctx.beginPath();
  ctx.moveTo(box.x, bottom);
  const steps = Math.max(1, Math.min(curve.length - 1, Math.round(box.w / 2)));
  for (let step = 0; step <= steps; step++)
    ctx.lineTo(box.x + (step / steps) * box.w, bottom - height * (curve.length ? sample(curve, step / steps) : evidence.presence));
  ctx.lineTo(box.x + box.w, bottom);
  ctx.closePath();
  ctx.globalAlpha = 0.42;
  ctx.fillStyle = colour;
  ctx.fill();
  ctx.globalAlpha = 0.95;
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.25;
  ctx.stroke();
  ctx.globalAlpha = 1;
}

function paintHatch(ctx: Context, box: Box, colour: string): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = Math.floor((box.x - box.h) / 8) * 8; x < box.x + box.w; x += 8) {
    ctx.moveTo(x, box.y + box.h);
    ctx.lineTo(x + box.h, box.y);
  }
  ctx.stroke();
}

function paintWave(ctx: Context, stem: Stem, box: Box, colour: string): void {
  const wave = waveOf(stem.id, box.w);
  if (!wave || wave.max.length === 0) return;
  const middle = box.y + box.h / 2;
  const reach = box.h / 2 - 3;
  const count = wave.max.length;
  ctx.fillStyle = colour;
  ctx.beginPath();
  const columns = Math.max(1, Math.ceil(box.w));
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column / columns) * count);
    const to = Math.max(from + 1, Math.floor(((column + 1) / columns) * count));
    let [low, high] = [0, 0];
    for (let index = from; index < to; index++) {
      low = Math.min(low, wave.min[index] ?? 0);
      high = Math.max(high, wave.max[index] ?? 0);
    }
    // Peaks are drawn by their square root: quiet sound can be seen beside loud sound.
    const up = Math.sqrt(high / 127) * reach;
    const down = Math.sqrt(-low / 127) * reach;
    ctx.rect(box.x + column, middle - up - 0.4, 1, up + down + 0.8);
  }
  ctx.fill();
}

function label(ctx: Context, text: string, x: number, y: number, most: number, colour: string, shade: string): void {
  if (most < 22) return;
  ctx.font = FONT;
  let shown = text;
  let width = ctx.measureText(shown).width;
  while (width > most - 10 && shown.length > 2) {
    shown = `${shown.slice(0, -2).trimEnd()}…`;
    width = ctx.measureText(shown).width;
  }
  if (width > most - 6) return;
  ctx.globalAlpha = 0.86;
  ctx.fillStyle = shade;
  ctx.beginPath();
  ctx.roundRect(x, y, width + 8, 16, 3);
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour;
  ctx.textBaseline = "middle";
  ctx.fillText(shown, x + 4, y + 8.5);
}

function paintWarning(ctx: Context, x: number, y: number, colour: string, ink: string): void {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.moveTo(x + 7, y);
  ctx.lineTo(x + 14, y + 13);
  ctx.lineTo(x, y + 13);
  ctx.closePath();
  ctx.fill();
  ctx.fillStyle = ink;
  ctx.fillRect(x + 6.2, y + 4.5, 1.6, 4.5);
  ctx.fillRect(x + 6.2, y + 10, 1.6, 1.6);
}

function paintMarks(ctx: Context, cell: Cell, box: Box, colours: Palette): void {
  const { stems, heard, row, clip } = cell;
  const top = box.y + 3;
  const left = box.x + 4;
  const own = row.overrides[clip.id];
  if (stems?.length && box.w > 30) {
    const takes = stems.length > 1 ? `${heard?.take ?? "–"}/${stems.length}` : "";
    const mark = heard?.choice === "keep" ? "✓" : heard ? "" : "✕";
    const text = [mark, takes].filter(Boolean).join(" ");
    if (text) label(ctx, text, left, top, box.w - 6, heard?.choice === "keep" ? colours.good : colours.text, colours.shade);
  } else if (own?.prompt) label(ctx, own.prompt, left, top, box.w - 6, colours.accent, colours.shade);
  if (heard && heard.hints.length > 0 && box.w > 26) paintWarning(ctx, box.x + box.w - 18, top + 1, colours.warn, colours.ink);
}

/** One cell: a row's sound for a clip. */
export function paintCell(ctx: Context, cell: Cell, box: Box, colour: string, colours: Palette): void {
  const { evidence, heard, job, included, stems } = cell;
  if (box.w < 10) {
    ctx.globalAlpha = heard ? 1 : included ? 0.35 + 0.4 * (evidence?.presence ?? 0) : 0.12;
    ctx.fillStyle = heard || included ? colour : colours.muted;
    ctx.fillRect(box.x, box.y + (heard ? 8 : 20), Math.max(1, box.w - 0.5), box.h - (heard ? 16 : 40));
    ctx.globalAlpha = 1;
    return;
  }
  ctx.save();
  roundedClip(ctx, box);
  ctx.fillStyle = colours.cell;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  if (!included) {
    paintThumbnails(ctx, cell.clip, box, 0.12);
    paintHatch(ctx, box, colours.hatch);
  } else paintPlace(ctx, cell, box, colour, colours.shade);
  if (included && evidence?.seen && !heard) paintPresence(ctx, evidence, box, colour);
  if (heard) paintWave(ctx, heard, box, colour);
  if (!included && !stems?.length && !job)
    label(ctx, t(isMissing(evidence) ? "cell.not_seen" : "cell.left_out"), box.x + 4, box.y + box.h / 2 - 8, box.w - 6, colours.muted, colours.shade);
  paintMarks(ctx, cell, box, colours);
  if (job) paintProgress(ctx, job, box, colours);
  ctx.restore();
  if (heard) {
    ctx.fillStyle = colour;
    ctx.fillRect(box.x, box.y + 4, 2, box.h - 8);
  }
}

function paintProgress(ctx: Context, job: Job, box: Box, colours: Palette): void {
  ctx.globalAlpha = 0.45;
  ctx.fillStyle = colours.shade;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.accent;
  ctx.fillRect(box.x, box.y + box.h - 4, Math.max(3, box.w * job.done), 4);
  label(ctx, job.state === "queued" ? t("job.state.queued") : `${Math.round(job.done * 100)} %`, box.x + 4, box.y + box.h / 2 - 8, box.w - 6, colours.text, colours.shade);
}

/** A clip of the strip at the top. */
export function paintClip(ctx: Context, clip: Clip, box: Box, selected: boolean, colours: Palette): void {
  if (box.w < 8) {
    ctx.fillStyle = clip.problem ? colours.warn : selected ? colours.accent : colours.faint;
    ctx.fillRect(box.x, box.y, Math.max(1, box.w - 0.5), box.h);
    return;
  }
  ctx.save();
  roundedClip(ctx, box);
  ctx.fillStyle = colours.cell;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  if (clip.media_id) paintThumbnails(ctx, clip, box, 1);
  else paintHatch(ctx, box, colours.hatch);
  label(ctx, clip.name, box.x + 3, box.y + box.h - 19, box.w - (clip.problem ? 22 : 4), colours.text, colours.shade);
  if (clip.problem) paintWarning(ctx, box.x + box.w - 18, box.y + 4, colours.warn, colours.ink);
  ctx.restore();
}
