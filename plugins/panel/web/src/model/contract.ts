// What the server of the panel sends. Names and units are those of docs/reference/panel-api.md.

/** A rate or a time in seconds as numerator and denominator. */
export type Rational = readonly [number, number];

export interface Cut {
  name: string;
  source: "file" | "video" | "reaper" | "resolve";
  scope: "timeline" | "selection" | "marks";
  rate: Rational;
  drop_frame: boolean;
  start_frames: number;
  duration_frames: number;
}

export interface Clip {
  id: string;
  name: string;
  track: string;
  start_frames: number;
  duration_frames: number;
  media_id: string | null;
  problem: string | null;
  problem_code?: string;
  /** Seconds into the file that /api/media serves. */
  source_start?: Rational;
  speed?: number;
}

export interface Marker {
  frame: number;
  name: string;
  is_cue: boolean;
}

export interface Override {
  prompt?: string;
  negative?: string;
  seed?: number;
  include?: boolean;
}

export type Pan = "off" | "envelope" | "stereo";

export interface Row {
  id: string;
  name: string;
  prompt: string;
  negative: string;
  takes: number;
  gain_db: number;
  pan: Pan;
  solo: boolean;
  mute: boolean;
  overrides: Record<string, Override>;
}

export interface Evidence {
  row_id: string;
  clip_id: string;
  presence: number;
  acts: boolean;
  seen: boolean;
  rate_hz: number;
  presence_curve: number[];
  x: number[];
  y: number[];
  spread: number[];
}

export interface Hint {
  kind: string;
  text: string;
  seconds?: [number, number][];
}

/** A meter: sync from 0 to 1, leak and peak in decibels. */
export interface Measure {
  name: string;
  value: number;
  unit: string;
}

export type Choice = "keep" | "reject" | "none";

export interface Stem {
  id: string;
  row_id: string;
  clip_id: string;
  take: number;
  seed: number;
  start_frames: number;
  /** Where the heard part begins, in samples after the timeline's start. */
  start_samples?: number;
  offset_samples: number;
  length_samples: number;
  sample_rate_hz: number;
  channels: number;
  presence: number | null;
  choice: Choice;
  active: boolean;
  hints: Hint[];
  measures?: Measure[];
  redone_from: string | null;
  file_name?: string;
  /** Seconds of the file and where it is heard then, -1 left to 1 right; empty: the middle. */
  pan?: [number, number][] | null;
}

export interface Job {
  id: string;
  row_ids: string[];
  clip_ids: string[];
  state: string;
  stage: string;
  done: number;
  seconds_left: number | null;
  mine: boolean;
  message: string | null;
  code?: string;
  kind?: "render" | "look" | "redo" | "other";
}

export interface Model {
  name: string;
  installed: boolean;
  bytes: number;
  licence: string;
  licence_accepted: boolean;
  pull?: { state: "running" | "failed"; done: number; message?: string | null; code?: string } | null;
}

export interface Daemon {
  state: "ready" | "starting" | "absent" | "broken" | "silent";
  message: string | null;
  code?: string;
  model: string | null;
  device: string | null;
  models: Model[];
  yielded?: boolean;
}

export interface PlacedLine {
  stem_id?: string | null;
  track?: string;
  start_timecode?: string;
  text?: string;
}

export interface Placed {
  target: string;
  label?: string;
  report?: PlacedLine[];
}

export interface Note {
  stem_id?: string | null;
  frame?: number | null;
  text: string;
  by?: string;
}

export interface PanelState {
  revision: number;
  cut: Cut;
  clips: Clip[];
  markers: Marker[];
  rows: Row[];
  evidence: Evidence[];
  stems: Stem[];
  jobs: Job[];
  daemon: Daemon;
  suggestions: string[];
  can_place: { target: string; label: string }[];
  placed: Placed | null;
  estimate?: { cells: number; seconds: number | null } | null;
  has_production?: boolean;
  save_formats?: { format: string; label: string; suffix: string }[];
  notes?: Note[];
  /** Why the last change is not in the session's file yet. */
  saving_problem?: string | null;
}

export interface PlanLine {
  stem_id: string;
  track: string;
  start_timecode: string;
  seconds: number;
  conflict: string | null;
}

export interface Plan {
  plan_id: string;
  lines: PlanLine[];
}

export interface MediaStatus {
  state: "ready" | "making" | "failed";
  done: number | null;
  mime: string | null;
  proxy: boolean;
  /** Where in the source what /api/media serves begins, in seconds. */
  offset?: Rational;
  message?: string | null;
  code?: string;
}

/** States of a job that may still change. */
export const isLive = (job: Job): boolean => !["done", "failed", "cancelled"].includes(job.state);
