import type { Rational } from "./contract";

/** Frames counted per second of timecode: 30 for 30000/1001. */
export const nominalRate = (rate: Rational): number => Math.round(rate[0] / rate[1]);

export const framesToSeconds = (frames: number, rate: Rational): number => (frames * rate[1]) / rate[0];

export const secondsToFrames = (seconds: number, rate: Rational): number => (seconds * rate[0]) / rate[1];

/** The sample at which a frame begins, rounded half up as placement rounds. Exact while the product stays below 2^53. */
export const frameToSample = (frame: number, rate: Rational, sampleRateHz: number): number =>
  Math.floor((2 * frame * rate[1] * sampleRateHz + rate[0]) / (2 * rate[0]));

const pad = (value: number, digits = 2): string => String(value).padStart(digits, "0");

/**
 * The label of a frame. Drop-frame timecode (SMPTE ST 12-1) leaves out the first two labels of each minute, four at 59.94, except
 * in every tenth minute; frames themselves are not dropped.
 */
export function timecode(frame: number, rate: Rational, dropFrame: boolean): string {
  const nominal = nominalRate(rate);
  const sign = frame < 0 ? "-" : "";
  let count = Math.abs(Math.round(frame));
  if (dropFrame) {
    const dropped = nominal / 15;
    const framesPerMinute = nominal * 60 - dropped;
    const framesPerTenMinutes = framesPerMinute * 10 + dropped;
    const tens = Math.floor(count / framesPerTenMinutes);
    const rest = count % framesPerTenMinutes;
    count += dropped * 9 * tens;
    if (rest >= dropped) count += dropped * Math.floor((rest - dropped) / framesPerMinute);
  }
  const seconds = Math.floor(count / nominal);
  const frames = count % nominal;
  const digits = nominal > 100 ? 3 : 2;
  return `${sign}${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}${
    dropFrame ? ";" : ":"
  }${pad(frames, digits)}`;
}

/** The frame of a label; null where it is none. Labels that drop-frame leaves out give the frame that follows. */
export function parseTimecode(label: string, rate: Rational, dropFrame: boolean): number | null {
  const match = /^(\d{1,2})[:;.](\d{1,2})[:;.](\d{1,2})[:;.](\d{1,3})$/.exec(label.trim());
  if (!match) return null;
  const [hours, minutes, seconds, frames] = match.slice(1).map(Number) as [number, number, number, number];
  const nominal = nominalRate(rate);
  if (minutes > 59 || seconds > 59 || frames >= nominal) return null;
  const total = (hours * 3600 + minutes * 60 + seconds) * nominal + frames;
  if (!dropFrame) return total;
  const dropped = nominal / 15;
  const allMinutes = hours * 60 + minutes;
  const leftOut = minutes % 10 !== 0 && seconds === 0 && frames < dropped ? dropped - frames : 0;
  return total + leftOut - dropped * (allMinutes - Math.floor(allMinutes / 10));
}

/** Marks of the ruler: every `step` frames a labelled one, between them `parts` short ones. */
export function rulerStep(pixelsPerFrame: number, rate: Rational): { step: number; parts: number } {
  const nominal = nominalRate(rate);
  const steps: [number, number][] = [
    [1, 1], [5, 5], [Math.max(2, Math.round(nominal / 2)), 2],
    ...([[1, 5], [2, 4], [5, 5], [10, 10], [30, 6], [60, 6], [120, 4], [300, 5], [600, 10], [1800, 6], [3600, 6]] as [number, number][])
      .map(([seconds, parts]): [number, number] => [seconds * nominal, parts]),
  ];
  for (const [step, parts] of steps) if (step * pixelsPerFrame >= 104) return { step, parts };
  return { step: 7200 * nominal, parts: 4 };
}

/** Seconds as people read them: 8 s, 2 min 5 s. */
export function spokenSeconds(seconds: number): [minutes: number, seconds: number] {
  const whole = Math.max(0, Math.round(seconds));
  return [Math.floor(whole / 60), whole % 60];
}
