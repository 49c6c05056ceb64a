// Every key of the page, in one table: what it does, and its line in the list under "?".
import { hear, hearing, looping, markRange, seek, shuttleBy, speed, stop, toggle } from "./audio/transport";
import { cancelAll, look, moreLike, renderAll, renderSelected, selectedStem, selectedStems, toggleChoice, useTake } from "./model/actions";
import { clipAt, currentRow, playhead, range, selectedClip, selectedRow, state } from "./model/store";
import { addRow, changeRow, duplicateRow, moveRow, redoEdit, removeRow, undo } from "./model/rows";
import { nominalRate } from "./model/time";
import { selectCell, toggleIncluded } from "./timeline/Lane";
import { reveal, zoomBy, zoomToFit } from "./timeline/view";
import { openDialog, side } from "./views/dialogs";

export interface Key {
  /** As `KeyboardEvent.key`, letters in lower case; several for the same. */
  keys: string[];
  /** What must be held: "mod" is Ctrl, or Command on a Mac. */
  with?: "shift" | "alt" | "mod" | "mod+shift";
  group: "play" | "choose" | "edit" | "view";
  /** Key of its line in the strings. */
  text: string;
  /** How it is written in the list. */
  shown: string;
  /** Whether it runs again while it is held down; what is started, added or removed happens once. */
  repeats?: true;
  run: () => void;
}

function stepFrames(frames: number): void {
  if (speed.value !== 0) stop();
  seek(Math.round(playhead.value) + frames);
}

function selectRow(step: number): void {
  const rows = state.rows.value;
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.id === selectedRow.value);
  const next = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + step));
  selectedRow.value = rows[next]?.id ?? null;
  revealSelection();
}

function selectClip(step: number): void {
  const clips = state.clips.value;
  if (clips.length === 0) return;
  const from = selectedClip.value ?? clipAt(playhead.value)?.id;
  const at = clips.findIndex((clip) => clip.id === from);
  const next = selectedClip.value === null && at >= 0 ? at : Math.max(0, Math.min(clips.length - 1, at + step));
  selectedRow.value ??= state.rows.value[0]?.id ?? null;
  selectCell(selectedRow.value, clips[next]?.id ?? null);
  revealSelection();
}

function revealSelection(): void {
  const clip = state.clips.value.find((one) => one.id === selectedClip.value);
  const row = state.rows.value.findIndex((one) => one.id === selectedRow.value);
  const at = clip ?? { start_frames: playhead.value, duration_frames: 1 };
  reveal(at.start_frames, at.start_frames + at.duration_frames, row);
}

function cut(step: 1 | -1): void {
  const at = Math.round(playhead.value);
  const cuts = state.clips.value.map((clip) => clip.start_frames);
  const next = step > 0 ? cuts.find((frame) => frame > at) : cuts.findLast((frame) => frame < at);
  if (next !== undefined) seek(next);
}

function onRow(act: (id: string) => void): () => void {
  return () => {
    const row = currentRow.value;
    if (row) act(row.id);
  };
}

function writeRow(): void {
  const id = addRow();
  requestAnimationFrame(() => document.querySelector<HTMLInputElement>(`[data-row="${id}"][data-field="prompt"]`)?.focus());
}

/** Opens a part of the details, and brings the focus there, or closes it and goes back to the timeline. */
function showSide(part: "queue" | "place"): void {
  const opens = side.value !== part;
  side.value = opens ? part : "sound";
  requestAnimationFrame(() => document.getElementById(opens ? `tab-${part}` : "grid")?.focus());
}

function leave(): void {
  if (range.value) {
    range.value = null;
    looping.value = false;
  } else if (selectedClip.value) selectedClip.value = null;
}

const withStem = (act: (stem: NonNullable<ReturnType<typeof selectedStem>>) => unknown) => () => {
  const stem = selectedStem();
  if (stem) act(stem);
};

const second = (): number => nominalRate(state.cut.value.rate);
const rowIndex = (id: string): number => state.rows.value.findIndex((row) => row.id === id);

export const KEYS: Key[] = [
  { keys: [" "], group: "play", text: "key.toggle", shown: "Space", run: toggle },
  { keys: ["j"], group: "play", text: "key.back", shown: "J", run: () => shuttleBy(-1) },
  { keys: ["k"], group: "play", text: "key.stop", shown: "K", run: stop },
  { keys: ["l"], group: "play", text: "key.forward", shown: "L", run: () => shuttleBy(1) },
  { keys: ["ArrowLeft"], group: "play", text: "key.frame_back", shown: "←", repeats: true, run: () => stepFrames(-1) },
  { keys: ["ArrowRight"], group: "play", text: "key.frame_on", shown: "→", repeats: true, run: () => stepFrames(1) },
  { keys: ["ArrowLeft"], with: "shift", group: "play", text: "key.second_back", shown: "Shift ←", repeats: true, run: () => stepFrames(-second()) },
  { keys: ["ArrowRight"], with: "shift", group: "play", text: "key.second_on", shown: "Shift →", repeats: true, run: () => stepFrames(second()) },
  { keys: ["PageUp"], group: "play", text: "key.cut_back", shown: "Page ↑", repeats: true, run: () => cut(-1) },
  { keys: ["PageDown"], group: "play", text: "key.cut_on", shown: "Page ↓", repeats: true, run: () => cut(1) },
  { keys: ["Home"], group: "play", text: "key.start", shown: "Home", run: () => seek(state.cut.value.start_frames) },
  { keys: ["End"], group: "play", text: "key.end", shown: "End", run: () => seek(state.cut.value.start_frames + state.cut.value.duration_frames - 1) },
  { keys: ["i"], group: "play", text: "key.in", shown: "I", run: () => markRange("from") },
  { keys: ["o"], group: "play", text: "key.out", shown: "O", run: () => markRange("to") },
  { keys: ["r"], group: "play", text: "key.loop", shown: "R", run: () => (looping.value = range.value !== null && !looping.value) },
  { keys: ["b"], group: "play", text: "key.production", shown: "B", run: () => void hear(hearing.value === "mix" && state.has_production.value ? "production" : "mix") },

  { keys: ["ArrowUp"], group: "choose", text: "key.row_up", shown: "↑", repeats: true, run: () => selectRow(-1) },
  { keys: ["ArrowDown"], group: "choose", text: "key.row_down", shown: "↓", repeats: true, run: () => selectRow(1) },
  { keys: [","], group: "choose", text: "key.clip_back", shown: ",", repeats: true, run: () => selectClip(-1) },
  { keys: ["."], group: "choose", text: "key.clip_on", shown: ".", repeats: true, run: () => selectClip(1) },
  ...Array.from({ length: 9 }, (_, index): Key => ({
    keys: [String(index + 1)], group: "choose", text: index === 0 ? "key.takes" : "", shown: "1 – 9",
    run: () => {
      const stem = selectedStems()[index];
      if (stem) void useTake(stem);
    },
  })),
  { keys: ["y"], group: "choose", text: "key.keep", shown: "Y", run: withStem((stem) => toggleChoice(stem, "keep")) },
  { keys: ["n"], group: "choose", text: "key.reject", shown: "N", run: withStem((stem) => toggleChoice(stem, "reject")) },
  { keys: ["w"], group: "choose", text: "key.more_like", shown: "W", run: withStem(moreLike) },
  { keys: ["x"], group: "choose", text: "key.include", shown: "X", run: onRow((id) => selectedClip.value && toggleIncluded(id, selectedClip.value)) },
  { keys: ["Enter"], group: "choose", text: "key.render", shown: "Enter", run: () => void renderSelected() },
  { keys: ["Enter"], with: "shift", group: "choose", text: "key.render_all", shown: "Shift Enter", run: () => void renderAll() },
  { keys: ["v"], group: "choose", text: "key.look", shown: "V", run: () => void look() },
  { keys: ["."], with: "mod", group: "choose", text: "key.cancel", shown: "Ctrl .", run: () => void cancelAll() },

  { keys: ["a"], group: "edit", text: "key.add", shown: "A", run: writeRow },
  { keys: ["e"], group: "edit", text: "key.edit", shown: "E", run: onRow((id) => document.querySelector<HTMLInputElement>(`[data-row="${id}"][data-field="prompt"]`)?.focus()) },
  { keys: ["d"], group: "edit", text: "key.duplicate", shown: "D", run: onRow(duplicateRow) },
  { keys: ["Delete", "Backspace"], group: "edit", text: "key.remove", shown: "Delete", run: onRow(removeRow) },
  { keys: ["ArrowUp"], with: "alt", group: "edit", text: "key.move_up", shown: "Alt ↑", repeats: true, run: onRow((id) => moveRow(id, rowIndex(id) - 1)) },
  { keys: ["ArrowDown"], with: "alt", group: "edit", text: "key.move_down", shown: "Alt ↓", repeats: true, run: onRow((id) => moveRow(id, rowIndex(id) + 1)) },
  { keys: ["m"], group: "edit", text: "key.mute", shown: "M", run: onRow((id) => changeRow(id, { mute: !currentRow.value?.mute })) },
  { keys: ["s"], group: "edit", text: "key.solo", shown: "S", run: onRow((id) => changeRow(id, { solo: !currentRow.value?.solo })) },
  { keys: ["z"], with: "mod", group: "edit", text: "key.undo", shown: "Ctrl Z", repeats: true, run: undo },
  { keys: ["z"], with: "mod+shift", group: "edit", text: "key.redo", shown: "Ctrl Shift Z", repeats: true, run: redoEdit },
  { keys: ["y"], with: "mod", group: "edit", text: "", shown: "", run: redoEdit },

  { keys: ["+", "="], group: "view", text: "key.zoom_in", shown: "+", repeats: true, run: () => zoomBy(1.6) },
  { keys: ["-"], group: "view", text: "key.zoom_out", shown: "−", repeats: true, run: () => zoomBy(1 / 1.6) },
  { keys: ["z"], group: "view", text: "key.fit", shown: "Z", run: zoomToFit },
  { keys: ["F1"], group: "view", text: "", shown: "", run: () => (openDialog.value = "keys") },
  { keys: ["?"], group: "view", text: "key.help", shown: "?", run: () => (openDialog.value = "keys") },
  { keys: ["q"], group: "view", text: "key.queue", shown: "Q", run: () => showSide("queue") },
  { keys: ["p"], group: "view", text: "key.place", shown: "P", run: () => showSide("place") },
  { keys: ["Escape"], group: "view", text: "key.leave", shown: "Esc", run: leave },
];

/** What is held, in the words of the table. "?" and "+" need Shift on many keyboards, so Shift counts for named keys only. */
function heldWith(event: KeyboardEvent): Key["with"] | undefined {
  const mod = event.ctrlKey || event.metaKey;
  const shift = event.shiftKey && (event.key.length > 1 || mod);
  if (mod) return shift ? "mod+shift" : "mod";
  if (event.altKey) return "alt";
  return shift ? "shift" : undefined;
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");

/** Keys that the focused control has a use for itself. */
function isForControl(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("button, a, summary, input[type=checkbox]")) return event.key === " " || event.key === "Enter";
  if (target.matches("input[type=range]")) return event.key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(event.key);
  return false;
}

/** A control that was clicked gives the keys back: the space bar plays after a click on Mute. Keyboard users keep their place. */
export function releaseControl(event: MouseEvent): void {
  const control = event.target instanceof Element ? event.target.closest<HTMLElement>("button, summary, input[type=range], input[type=checkbox]") : null;
  if (event.detail > 0 && control && !control.closest("dialog")) control.blur();
}

export function handleKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || openDialog.value) return;
  const held = heldWith(event);
  if (isTyping(event.target)) {
    const target = event.target as HTMLElement;
    if (event.key === "Escape") target.blur();
    else if (event.key === "Enter" && target.dataset["field"] === "prompt") {
      target.blur();
      document.getElementById("grid")?.focus();
    }
    return;
  }
  if (isForControl(event)) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const key = KEYS.find((one) => one.with === held && one.keys.includes(name));
  if (!key) return;
  event.preventDefault();
  if (!event.repeat || key.repeats) key.run();
}
