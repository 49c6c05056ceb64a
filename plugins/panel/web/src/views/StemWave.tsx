// The waveform of one stem, large: click to play from there, drag over a stretch to redo it.
import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import WaveSurfer from "wavesurfer.js";
import RegionsPlugin from "wavesurfer.js/plugins/regions";
import { seek } from "../audio/transport";
import { api } from "../model/api";
import type { Stem } from "../model/contract";
import { playhead, state } from "../model/store";
import { framesToSeconds, secondsToFrames } from "../model/time";
import { palette } from "../timeline/palette";

export interface Stretch {
  /** Seconds of what is heard of the stem. */
  from: number;
  to: number;
}

const POINTS = 1024;

/** build.mjs made wavesurfer's style element an inert template; here it becomes a style sheet that the policy allows. */
function adoptStyle(surfer: WaveSurfer): void {
  const root = surfer.getWrapper().getRootNode() as ShadowRoot;
  const template = root.querySelector("template");
  if (!template) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(template.content.textContent ?? "");
  root.adoptedStyleSheets = [sheet];
  template.remove();
}

function interleave(wave: { min: number[]; max: number[] }): Float32Array {
  const points = new Float32Array(wave.max.length * 2);
  wave.max.forEach((high, index) => {
    points[index * 2] = high / 127;
    points[index * 2 + 1] = (wave.min[index] ?? 0) / 127;
  });
  return points;
}

export function StemWave({ stem, colour, onStretch }: { stem: Stem; colour: string; onStretch: (stretch: Stretch | null) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const seconds = stem.length_samples / stem.sample_rate_hz;
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const colours = palette.value;
    const regions = RegionsPlugin.create();
    const surfer = WaveSurfer.create({
      container: host.current as HTMLDivElement, height: 76, waveColor: colour, progressColor: colour, cursorColor: colours.text, cursorWidth: 1,
      normalize: false, interact: true, hideScrollbar: true, plugins: [regions], peaks: [new Float32Array(4)], duration: seconds,
    });
    adoptStyle(surfer);
    let gone = false;
    void api
      .peaks(stem.id, POINTS)
      .then((wave) => (gone ? undefined : surfer.load("", [interleave(wave)], seconds)))
      .then(() => (gone ? undefined : showPosition())) // loading puts the cursor back to the start
      .catch((error: Error) => setProblem(error.message));
    const began = (): number => framesToSeconds(stem.start_frames, state.cut.value.rate);
    surfer.on("interaction", (at) => {
      regions.clearRegions();
      onStretch(null);
      seek(secondsToFrames(began() + at, state.cut.value.rate));
    });
    regions.enableDragSelection({ color: `color-mix(in srgb, ${colours.accent} 30%, transparent)` });
    const report = (region: { id: string; start: number; end: number }): void => {
      for (const other of regions.getRegions()) if (other.id !== region.id) other.remove();
      onStretch({ from: region.start, to: region.end });
    };
    regions.on("region-created", report);
    regions.on("region-updated", report);
    const showPosition = (): void => {
      const at = framesToSeconds(playhead.value, state.cut.value.rate) - began();
      surfer.setTime(Math.max(0, Math.min(seconds, at)));
    };
    const stop = effect(showPosition);
    return () => {
      gone = true;
      stop();
      surfer.destroy();
    };
  }, [stem.id, colour, seconds]);
  return (
    <>
      <div class="stem-wave" ref={host} data-stem={stem.id} />
      {problem && <p class="problem" role="note">⚠ {problem}</p>}
    </>
  );
}
