// The timeline: ruler, thumbnails of the cut, and a lane for each row. Only what is on the screen is in the document.
import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { seek, speed } from "../audio/transport";
import { clipAt, playhead, range, selectedClip, selectedRow, state } from "../model/store";
import { addRow } from "../model/rows";
import { t } from "../model/strings";
import { Icon } from "../views/icons";
import { Lane, selectCell } from "./Lane";
import { RulerTile, StripTile } from "./Tile";
import {
  HEAD_WIDTH, ROW_HEIGHT, RULER_HEIGHT, STRIP_HEIGHT, bindScroller, contentWidth, followPlayhead, frameToX, scale, scroll, tiles,
  viewport, visibleRows, xToFrame, zoomBy, zoomToFit,
} from "./view";

/** Moves an element to the playhead, without drawing anything else anew. */
function usePlayhead<T extends HTMLElement>() {
  const element = useRef<T>(null);
  useEffect(
    () =>
      effect(() => {
        const x = frameToX(playhead.value);
        if (element.current) element.current.style.transform = `translateX(${x}px)`;
        if (speed.value !== 0) followPlayhead();
      }),
    [],
  );
  return element;
}

function Playhead({ className }: { className: string }) {
  return <div class={className} ref={usePlayhead<HTMLDivElement>()} aria-hidden="true" />;
}

function Ruler() {
  const { first, last } = tiles.value;
  const shown = range.value;
  const scrub = (event: PointerEvent): void => {
    const element = event.currentTarget as HTMLElement;
    element.setPointerCapture(event.pointerId);
    const frameAt = (one: PointerEvent): number => Math.round(xToFrame(one.clientX - element.getBoundingClientRect().left));
    const began = frameAt(event);
    if (!event.shiftKey) seek(began);
    element.onpointermove = (move) => {
      const at = frameAt(move);
      if (!event.shiftKey) seek(at);
      else if (at !== began) range.value = { from: Math.min(began, at), to: Math.max(began, at) };
    };
    element.onpointerup = element.onpointercancel = () => (element.onpointermove = null);
  };
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return (
    <div class="ruler" style={{ width: contentWidth.value, height: RULER_HEIGHT }} onPointerDown={scrub} title={t("ruler.hint")}>
      {numbers.map((index) => <RulerTile key={index} index={index} />)}
      {shown && (
        <div class="range" style={{ left: frameToX(shown.from), width: Math.max(2, frameToX(shown.to) - frameToX(shown.from)) }} />
      )}
      <Markers />
      <Playhead className="playhead-head" />
    </div>
  );
}

function Markers() {
  const { first, last } = tiles.value;
  const [from, to] = [xToFrame(first * 480), xToFrame((last + 1) * 480)];
  return (
    <>
      {state.markers.value
        .filter((marker) => marker.frame >= from && marker.frame <= to)
        .map((marker) => (
          <i
            key={`${marker.frame}/${marker.name}`} class={marker.is_cue ? "marker cue" : "marker"} title={marker.name}
            style={{ left: frameToX(marker.frame) }}
          />
        ))}
    </>
  );
}

function Strip() {
  const { first, last } = tiles.value;
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const click = (event: MouseEvent): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const frame = xToFrame(event.clientX - box.left);
    const clip = clipAt(frame);
    selectCell(null, clip?.id ?? null);
    seek(Math.round(frame));
  };
  return (
    <div class="strip" style={{ width: contentWidth.value, height: STRIP_HEIGHT }} onClick={click}>
      {numbers.map((index) => <StripTile key={index} index={index} />)}
    </div>
  );
}

function Corner() {
  const add = (): void => {
    const id = addRow();
    requestAnimationFrame(() => document.querySelector<HTMLInputElement>(`[data-row="${id}"][data-field="prompt"]`)?.focus());
  };
  return (
    <div class="corner" style={{ width: HEAD_WIDTH, height: RULER_HEIGHT + STRIP_HEIGHT }}>
      <button class="button small" onClick={add} title={`${t("row.add")} (A)`}>+ {t("row.add")}</button>
      <span class="spring" />
      <div class="zoom" role="group" aria-label={t("zoom")}>
        <button class="icon" onClick={() => zoomBy(1 / 1.6)} aria-label={t("zoom.out")} title={`${t("zoom.out")} (−)`}><Icon name="minus" /></button>
        <button class="icon" onClick={zoomToFit} aria-label={t("zoom.fit")} title={`${t("zoom.fit")} (Z)`}><Icon name="fit" /></button>
        <button class="icon" onClick={() => zoomBy(1.6)} aria-label={t("zoom.in")} title={`${t("zoom.in")} (+)`}><Icon name="plus" /></button>
      </div>
    </div>
  );
}

export function Timeline() {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const scroller = element.current as HTMLDivElement;
    bindScroller(scroller);
    const measure = new ResizeObserver(() => (viewport.value = { width: scroller.clientWidth, height: scroller.clientHeight }));
    measure.observe(scroller);
    const wheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY * 0.003), event.clientX - scroller.getBoundingClientRect().left - HEAD_WIDTH);
    };
    scroller.addEventListener("wheel", wheel, { passive: false });
    return () => {
      measure.disconnect();
      scroller.removeEventListener("wheel", wheel);
    };
  }, []);
  const rows = state.rows.value;
  const { first, last } = visibleRows.value;
  const chosen = rows.findIndex((row) => row.id === selectedRow.value);
  const shown = rows.map((row, index) => ({ row, index })).filter(({ index }) => (index >= first && index <= last) || index === chosen);
  const hasActive = chosen >= 0 && selectedClip.value !== null;
  void scale.value;
  return (
    <section class="timeline" aria-label={t("timeline")}>
      <div
        class="scroller" ref={element} tabIndex={-1}
        onScroll={(event) => (scroll.value = { left: event.currentTarget.scrollLeft, top: event.currentTarget.scrollTop })}
      >
        <div class="top" style={{ width: HEAD_WIDTH + contentWidth.value }}>
          <Corner />
          <div>
            <Ruler />
            <Strip />
          </div>
        </div>
        <div
          class="rows" id="grid" tabIndex={0} style={{ width: HEAD_WIDTH + contentWidth.value, height: Math.max(rows.length * ROW_HEIGHT, 1) }}
          {...(rows.length > 0 ? { role: "grid", "aria-label": t("timeline.cells"), "aria-rowcount": rows.length } : {})}
          {...(hasActive ? { "aria-activedescendant": "active-cell" } : {})}
        >
          {shown.map(({ row, index }) => <Lane key={row.id} row={row} index={index} />)}
          <div class="playhead-track" style={{ left: HEAD_WIDTH }}><Playhead className="playhead-line" /></div>
        </div>
        {rows.length === 0 && <Empty />}
      </div>
    </section>
  );
}

function Empty() {
  const suggestions = state.suggestions.value.slice(0, 10);
  return (
    <div class="empty">
      <h2>{t("empty.title")}</h2>
      <p>{t("empty.text")}</p>
      <div class="suggestions">
        {suggestions.map((prompt) => (
          <button key={prompt} class="suggestion" onClick={() => addRow(prompt)}>+ {prompt}</button>
        ))}
      </div>
    </div>
  );
}
