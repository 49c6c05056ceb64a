// The bar between picture and timeline: dragged, or moved by arrow keys; a double click gives the usual share back.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../model/strings";

const USUAL = 44;
const [LEAST, MOST] = [20, 75];
const stored = Number(localStorage.getItem("selva.viewer"));
/** The picture's share of the height, per cent. */
const share = signal(stored >= LEAST && stored <= MOST ? stored : USUAL);

function setShare(value: number): void {
  share.value = Math.round(Math.max(LEAST, Math.min(MOST, value)) * 10) / 10;
  localStorage.setItem("selva.viewer", String(share.value));
}

export function Splitter() {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    bar.current?.parentElement?.style.setProperty("--viewer", `${share.value}%`);
  }, [share.value]);
  const drag = (event: PointerEvent): void => {
    const element = bar.current as HTMLDivElement;
    const box = (element.parentElement as HTMLElement).getBoundingClientRect();
    element.setPointerCapture(event.pointerId);
    element.onpointermove = (move) => setShare(((move.clientY - box.top) / box.height) * 100);
    element.onpointerup = element.onpointercancel = () => (element.onpointermove = null);
  };
  return (
    <div
      class="splitter" ref={bar} role="separator" tabIndex={0} aria-orientation="horizontal" aria-label={t("splitter")} aria-valuemin={LEAST}
      aria-valuemax={MOST} aria-valuenow={share.value} title={t("splitter")} onPointerDown={drag} onDblClick={() => setShare(USUAL)}
      onKeyDown={(event) => {
        const step = event.key === "ArrowUp" ? -2 : event.key === "ArrowDown" ? 2 : 0;
        if (step === 0) return;
        event.preventDefault();
        event.stopPropagation();
        setShare(share.value + step);
      }}
    />
  );
}
