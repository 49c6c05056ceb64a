// Canvases that lanes are tiled with. A tile paints itself when what it shows changes, never because the page scrolls.
import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { cellKey, activeStem, evidenceByCell, isIncluded, liveJobByCell, rowById, selectedClip, state, stemsByCell } from "../model/store";
import { language } from "../model/strings";
import { rulerStep, timecode } from "../model/time";
import { type Cell, paintCell, paintClip } from "./paint";
import { palette } from "./palette";
import { enqueuePaint } from "./queue";
import { RULER_HEIGHT, ROW_HEIGHT, STRIP_HEIGHT, TILE_WIDTH, clipsBetween, frameToX, scale, xToFrame } from "./view";

type Paint = (ctx: CanvasRenderingContext2D, left: number) => void;

/** A canvas whose painter reads signals; `paint` runs again, within the frame's budget, when one of them changes. */
function Tile({ index, height, paint, subject }: { index: number; height: number; paint: Paint; subject: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let cancel = (): void => undefined;
    let stopEffect = (): void => undefined;
    const draw = (): void => {
      const element = canvas.current;
      const ctx = element?.getContext("2d");
      if (!element || !ctx) return;
      const ratio = Math.min(2, devicePixelRatio || 1);
      element.width = TILE_WIDTH * ratio;
      element.height = height * ratio;
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      stopEffect();
      let isStale = false;
      stopEffect = effect(() => {
        touch();
        if (!isStale) paint(ctx, index * TILE_WIDTH);
        else cancel = enqueuePaint(draw);
        isStale = true;
      });
    };
    cancel = enqueuePaint(draw);
    return () => {
      cancel();
      stopEffect();
    };
  }, [index, height, subject]);
  return <canvas ref={canvas} class="tile" aria-hidden="true" style={{ left: index * TILE_WIDTH, width: TILE_WIDTH, height }} />;
}

/** What every tile depends on beside its own subject. */
function touch(): void {
  void scale.value;
  void palette.value;
  void language.value;
}

export function LaneTile({ index, rowId, colourIndex }: { index: number; rowId: string; colourIndex: number }) {
  const paint: Paint = (ctx, left) => {
    const colours = palette.value;
    const row = rowById.value.get(rowId);
    if (!row) return;
    const colour = colours.rows[colourIndex % 8] ?? colours.accent;
    for (const clip of clipsBetween(xToFrame(left), xToFrame(left + TILE_WIDTH))) {
      const key = cellKey(row.id, clip.id);
      const evidence = evidenceByCell.value.get(key);
      const stems = stemsByCell.value.get(key);
      const cell: Cell = {
        clip, row, evidence, stems, job: liveJobByCell.value.get(key), included: isIncluded(row, clip.id, evidence), heard: activeStem(stems),
      };
      const x = frameToX(clip.start_frames) - left;
      const w = Math.max(1, clip.duration_frames * scale.value - 1);
      paintCell(ctx, cell, { x, y: 4, w, h: ROW_HEIGHT - 8 }, colour, colours);
    }
  };
  return <Tile index={index} height={ROW_HEIGHT} paint={paint} subject={`${rowId}/${colourIndex}`} />;
}

export function StripTile({ index }: { index: number }) {
  const paint: Paint = (ctx, left) => {
    const chosen = selectedClip.value;
    for (const clip of clipsBetween(xToFrame(left), xToFrame(left + TILE_WIDTH))) {
      const x = frameToX(clip.start_frames) - left;
      const w = Math.max(1, clip.duration_frames * scale.value - 1);
      paintClip(ctx, clip, { x, y: 2, w, h: STRIP_HEIGHT - 5 }, clip.id === chosen, palette.value);
    }
  };
  return <Tile index={index} height={STRIP_HEIGHT} paint={paint} subject="strip" />;
}

export function RulerTile({ index }: { index: number }) {
  const paint: Paint = (ctx, left) => {
    const { rate, drop_frame } = state.cut.value;
    const { step, parts } = rulerStep(scale.value, rate);
    const colours = palette.value;
    ctx.font = "10.5px ui-monospace, Menlo, Consolas, monospace";
    ctx.textBaseline = "middle";
    const small = step / parts;
    const from = Math.floor(xToFrame(left - 110) / step) * step;
    const to = xToFrame(left + TILE_WIDTH);
    for (let mark = from; mark <= to; mark += step) {
      for (let part = 0; part < parts; part++) {
        const x = Math.round(frameToX(mark + part * small) - left) + 0.5;
        ctx.fillStyle = part === 0 ? colours.muted : colours.line;
        ctx.fillRect(x - 0.5, part === 0 ? RULER_HEIGHT - 11 : RULER_HEIGHT - 5, 1, part === 0 ? 11 : 5);
      }
      ctx.fillStyle = colours.muted;
      ctx.fillText(timecode(mark, rate, drop_frame), frameToX(mark) - left + 4, RULER_HEIGHT - 15);
    }
  };
  return <Tile index={index} height={RULER_HEIGHT} paint={paint} subject="ruler" />;
}
