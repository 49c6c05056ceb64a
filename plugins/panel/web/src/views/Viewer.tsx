// The picture under the playhead, where the selected prompt is seen in it, and the transport.
import { effect, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { attachPicture, hear, hearing, levels, looping, mediaStatus, seek, speed, statusOf, toggle } from "../audio/transport";
import type { Clip } from "../model/contract";
import { cellKey, clipAt, currentRow, evidenceByCell, playhead, range, state } from "../model/store";
import { t } from "../model/strings";
import { framesToSeconds, parseTimecode, timecode } from "../model/time";
import { SEEN } from "../timeline/paint";
import { Progress, ServerText } from "./common";
import { Icon } from "./icons";

/** The clip under the playhead: changes with the shot, not with every frame. */
const shownClip = signal<Clip | null>(null);

function useRing() {
  const ring = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      effect(() => {
        const element = ring.current;
        const clip = clipAt(playhead.value);
        if (shownClip.peek() !== clip) shownClip.value = clip;
        const row = currentRow.value;
        const found = clip && row ? evidenceByCell.value.get(cellKey(row.id, clip.id)) : undefined;
        if (!element) return;
        const at = clip && found ? framesToSeconds(playhead.value - clip.start_frames, state.cut.value.rate) * found.rate_hz : 0;
        const index = Math.max(0, Math.min((found?.x.length ?? 1) - 1, Math.floor(at)));
        const presence = found?.seen ? (found.presence_curve[index] ?? 0) : 0;
        element.hidden = presence < SEEN || !found?.x.length;
        if (element.hidden || !found) return;
        element.style.left = `${(found.x[index] ?? 0.5) * 100}%`;
        element.style.top = `${(found.y[index] ?? 0.5) * 100}%`;
        element.style.height = `${Math.max(10, Math.min(90, (found.spread[index] ?? 0.1) * 200))}%`;
        element.style.opacity = String(0.35 + 0.65 * presence);
      }),
    [],
  );
  return ring;
}

function Screen() {
  const host = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const ring = useRing();
  useEffect(() => {
    attachPicture(host.current as HTMLDivElement);
  }, []);
  useEffect(() => {
    // The ring lies over the picture itself, not over the bars beside it.
    const fit = (): void => {
      const screen = host.current;
      const video = screen?.querySelector<HTMLVideoElement>("video.front");
      if (!screen || !frame.current) return;
      const aspect = video?.videoWidth ? video.videoWidth / video.videoHeight : 16 / 9;
      const width = Math.min(screen.clientWidth, screen.clientHeight * aspect);
      frame.current.style.width = `${width}px`;
      frame.current.style.height = `${width / aspect}px`;
    };
    const watch = new ResizeObserver(fit);
    watch.observe(host.current as HTMLDivElement);
    const timer = setInterval(fit, 500);
    return () => {
      watch.disconnect();
      clearInterval(timer);
    };
  }, []);
  const row = currentRow.value;
  const index = row ? state.rows.value.indexOf(row) : 0;
  return (
    <div class="screen">
      <div class="picture" ref={host} />
      <div class="overlay" ref={frame}><div class="ring" ref={ring} data-colour={index % 8} hidden /></div>
      <ScreenMessage />
    </div>
  );
}

function ScreenMessage() {
  const clip = shownClip.value;
  void mediaStatus.value;
  const status = statusOf(clip);
  if (!clip) return <p class="screen-message">{t("viewer.no_clip")}</p>;
  if (clip.problem) return <p class="screen-message problem"><ServerText message={clip.problem} code={clip.problem_code} /></p>;
  if (status?.state === "failed") return <p class="screen-message problem">{status.message ? <ServerText message={status.message} code={status.code} /> : t("viewer.failed")}</p>;
  if (status?.state === "making")
    return (
      <div class="screen-message">
        <p>{t("viewer.making")}</p>
        <Progress done={status.done ?? 0} label={t("viewer.making")} />
      </div>
    );
  return status?.proxy ? <span class="tag proxy">{t("viewer.proxy")}</span> : null;
}

function Timecode() {
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState(false);
  useEffect(
    () =>
      effect(() => {
        const { rate, drop_frame } = state.cut.value;
        const label = timecode(Math.floor(playhead.value + 1e-6), rate, drop_frame);
        if (input.current && document.activeElement !== input.current) input.current.value = label;
      }),
    [],
  );
  const go = (): void => {
    const { rate, drop_frame } = state.cut.value;
    const frame = parseTimecode(input.current?.value ?? "", rate, drop_frame);
    setWrong(frame === null);
    if (frame !== null) seek(frame);
  };
  return (
    <input
      class="timecode" ref={input} aria-label={t("viewer.timecode")} aria-invalid={wrong} title={t("viewer.timecode_hint")} spellcheck={false}
      onChange={go} onBlur={() => setWrong(false)}
      onKeyDown={(event) => {
        if (event.key === "Enter") event.currentTarget.blur();
      }}
    />
  );
}

function Meters() {
  const bars = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let frame = 0;
    const shown = [0, 0];
    const draw = (): void => {
      frame = requestAnimationFrame(draw);
      bars.current?.querySelectorAll<HTMLElement>("i").forEach((bar, side) => {
        const peak = levels[side] ?? 0;
        const height = peak > 0 ? Math.max(0, Math.min(1, 1 + Math.log10(peak) / 2.7)) : 0;
        shown[side] = Math.max(height, (shown[side] ?? 0) * 0.9);
        bar.style.transform = `scaleX(${shown[side]})`;
        bar.classList.toggle("over", peak >= 0.999);
      });
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, []);
  return <div class="meters" ref={bars} aria-hidden="true"><span><i /></span><span><i /></span></div>;
}

function Transport() {
  const playing = speed.value !== 0;
  const hasProduction = state.has_production.value ?? false;
  return (
    <div class="transport">
      <button
        class="icon" title={`${t("transport.start")} (Home)`} aria-label={t("transport.start")} onClick={() => seek(state.cut.value.start_frames)}
      ><Icon name="start" /></button>
      <button
        class="play" onClick={toggle} aria-label={t(playing ? "transport.stop" : "transport.play")}
        title={`${t(playing ? "transport.stop" : "transport.play")} (Space)`}
      >
        <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">
          {playing ? <path d="M5 3h3.5v14H5zM11.5 3H15v14h-3.5z" /> : <path d="M5 2.5v15l12-7.5z" />}
        </svg>
      </button>
      <button
        class="icon" aria-pressed={looping.value} onClick={() => (looping.value = !looping.value)} disabled={!range.value && !looping.value}
        aria-label={t("transport.loop")} title={`${t("transport.loop")} (R)`}
      ><Icon name="loop" /></button>
      <Timecode />
      {speed.value !== 0 && speed.value !== 1 && <span class="tag">{speed.value}×</span>}
      <Meters />
      <span class="spring" />
      <div class="segmented" role="group" aria-label={t("hear")}>
        <button aria-pressed={hearing.value === "mix"} onClick={() => void hear("mix")}>{t("hear.mix")}</button>
        <button
          aria-pressed={hearing.value === "production"} onClick={() => void hear("production")} disabled={!hasProduction}
          title={hasProduction ? `${t("hear.production_hint")} (B)` : t("hear.none")}
        >{t("hear.production")}</button>
      </div>
    </div>
  );
}

export function Viewer() {
  return (
    <section class="viewer" aria-label={t("viewer")}>
      <Screen />
      <Transport />
    </section>
  );
}
