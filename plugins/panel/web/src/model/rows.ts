// Edits of rows: each is sent soon after, can be undone, and is never sent over what another page changed meanwhile.
import { signal } from "@preact/signals";
import { ApiError, api } from "./api";
import type { Override, PanelState, Row } from "./contract";
import { mergeRows } from "./merge";
import { applyChanges, applyState, attempt, notify, rowById, selectedRow, state } from "./store";
import { t } from "./strings";

const SEND_AFTER_MS = 250;
const SEND_AGAIN_MS = 3000;
const UNDO_DEPTH = 200;

/** An edit: what another page has changed since is not taken back with it. */
interface Edit {
  before: Row[];
  after: Row[];
}

const undoable: Edit[] = [];
const redoable: Edit[] = [];
/** The rows that the server has, as far as this page knows, while edits wait to be sent. */
let base: Row[] = [];
let lastEdit = { label: "", at: 0 };
let timer = 0;
let sending: Promise<void> | null = null;
/** Whether edits wait to be sent. */
const unsaved = signal(false);

/** A server that does not answer is reported once, not at every attempt. */
let isUnreachable = false;

/** Edits that the server does not have yet. */
export const hasUnsentRows = (): boolean => unsaved.value || sending !== null;

/** The rows as another page, or the server, has them now. */
export function receiveRows(rows: Row[], revision: number): void {
  applyChanges({ rows, revision });
}

async function send(): Promise<void> {
  while (unsaved.value) {
    unsaved.value = false;
    try {
      const rows = state.rows.value;
      const { revision } = await api.putRows(state.revision.value, rows);
      state.revision.value = revision;
      base = rows;
      isUnreachable = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const theirs = (error.body as { state?: PanelState } | null)?.state;
      if (error.status === 409 && theirs) {
        const merged = mergeRows(base, state.rows.value, theirs.rows);
        applyState({ ...theirs, rows: merged.rows });
        base = theirs.rows;
        unsaved.value = true;
        if (merged.hasConflict) notify("info", t("rows.changed_elsewhere"));
      } else if (error.code === "unreachable" || error.status === 403) {
        // The edit stays here, and is sent as soon as there is somebody to take it.
        unsaved.value = true;
        if (!isUnreachable) await attempt(() => Promise.reject(error));
        isUnreachable = true;
        timer = window.setTimeout(() => void flushRows(), SEND_AGAIN_MS);
        return;
      } else await attempt(() => Promise.reject(error));
    }
  }
}

/** Sends what waits; resolves when the server has it. Renders and looks wait for this. */
export async function flushRows(): Promise<void> {
  clearTimeout(timer);
  while (sending) await sending;
  if (!unsaved.value) return;
  sending = send().finally(() => (sending = null));
  await sending;
}

function put(rows: Row[]): void {
  if (!hasUnsentRows()) base = state.rows.value;
  applyChanges({ rows });
  unsaved.value = true;
  clearTimeout(timer);
  timer = window.setTimeout(() => void flushRows(), SEND_AFTER_MS);
}

/** Edits under the same label within a second, as of typing, are undone in one step. */
function edit(rows: Row[], label = ""): void {
  const now = performance.now();
  if (label === "" || label !== lastEdit.label || now - lastEdit.at > 1000) {
    undoable.push({ before: state.rows.value, after: rows });
    if (undoable.length > UNDO_DEPTH) undoable.shift();
  } else undoable[undoable.length - 1] = { before: undoable.at(-1)?.before ?? state.rows.value, after: rows };
  redoable.length = 0;
  lastEdit = { label, at: now };
  put(rows);
}

function step(from: Edit[], to: Edit[]): void {
  const done = from.pop();
  if (!done) return;
  to.push({ before: done.after, after: done.before });
  lastEdit = { label: "", at: 0 };
  put(mergeRows(done.after, done.before, state.rows.value, true).rows);
}

export const undo = (): void => step(undoable, redoable);
export const redoEdit = (): void => step(redoable, undoable);

const LONGEST_NAME = 26;
/** Words that begin what a name can do without: where it is, what else is there, how. */
const AFTER_THE_THING =
  /^(on|in|into|inside|of|at|to|with|without|and|or|from|over|under|by|near|behind|beside|between|against|through|across|along|around|during|while|as|for|off|onto|outside|then|up|down|auf|im|mit|und|von|vor|an|am|bei|unter|über|neben|hinter|durch|gegen|aus)$/i;
const ARTICLE = /^(an?|the|some|eine?[nmrs]?|der|die|das|den|dem)$/i;

/**
 * A name for a track from its prompt, until a person writes one: the thing and what it does. What follows a comma goes, then what
 * follows a preposition, as far as that is needed; a name never ends in the middle of a phrase ("Ball bouncing on the").
 */
export function nameOf(prompt: string): string {
  const phrase = prompt.trim().split(/[,;.:!?、。，]/)[0] ?? "";
  let words = phrase.split(/\s+/).filter(Boolean);
  while (words.length > 1 && ARTICLE.test(words[0] as string)) words = words.slice(1);
  const text = (): string => words.join(" ");
  while (text().length > LONGEST_NAME) {
    const cut = words.findLastIndex((word, index) => index > 0 && AFTER_THE_THING.test(word));
    if (cut < 0) break;
    words = words.slice(0, cut);
  }
  while (text().length > LONGEST_NAME && words.length > 1) words = words.slice(0, -1);
  while (words.length > 1 && (ARTICLE.test(words.at(-1) as string) || AFTER_THE_THING.test(words.at(-1) as string))) words = words.slice(0, -1);
  const [first = "", ...rest] = [...text()].slice(0, 40);
  return first.toUpperCase() + rest.join("");
}

const isNamedByPage = (row: Row): boolean =>
  row.name === "" || row.name === t("row.new_name") || row.name.replace(/ \d+$/, "") === t("row.new_name") ||
  (row.prompt !== "" && row.name.replace(/ \d+$/, "") === nameOf(row.prompt));

/** A prompt, and with it the name of a track that a person gave none. */
export function changePrompt(row: Row, prompt: string): void {
  const renamed = prompt.trim() !== "" && isNamedByPage(row);
  const others = state.rows.value.filter((one) => one.id !== row.id);
  changeRow(row.id, renamed ? { name: freeName(nameOf(prompt), others), prompt } : { prompt });
}

export function changeRow(id: string, change: Partial<Row>): void {
  const label = `${id}.${Object.keys(change).join()}`;
  edit(state.rows.value.map((row) => (row.id === id ? { ...row, ...change } : row)), label);
}

export function changeOverride(id: string, clip: string, change: Override): void {
  const row = rowById.value.get(id);
  if (!row) return;
  const next: Override = { ...row.overrides[clip], ...change };
  for (const key of Object.keys(next) as (keyof Override)[]) if (next[key] === undefined) delete next[key];
  const { [clip]: _, ...others } = row.overrides;
  const overrides = Object.keys(next).length ? { ...others, [clip]: next } : others;
  edit(
    state.rows.value.map((held) => (held.id === id ? { ...held, overrides } : held)),
    `${id}.${clip}.${Object.keys(change).join()}`,
  );
}

const newId = (): string => crypto.getRandomValues(new Uint32Array(2)).reduce((text, part) => text + part.toString(36), "r");

/** A name that no row has: "Dog", "Dog 2". */
function freeName(wanted: string, rows = state.rows.value): string {
  const taken = new Set(rows.map((row) => row.name));
  const base = wanted.replace(/ \d+$/, "");
  let name = wanted;
  for (let count = 2; taken.has(name); count++) name = `${base} ${count}`;
  return name;
}

export function addRow(prompt = ""): string {
  const name = freeName(prompt ? nameOf(prompt) : t("row.new_name"));
  const row: Row = {
    id: newId(), name, prompt, negative: "", takes: 1, gain_db: 0, pan: "off", solo: false, mute: false, overrides: {},
  };
  edit([...state.rows.value, row]);
  selectedRow.value = row.id;
  return row.id;
}

export function duplicateRow(id: string): void {
  const rows = state.rows.value;
  const index = rows.findIndex((row) => row.id === id);
  const row = rows[index];
  if (!row) return;
  const copy = { ...row, id: newId(), name: freeName(row.name), solo: false };
  edit([...rows.slice(0, index + 1), copy, ...rows.slice(index + 1)]);
  selectedRow.value = copy.id;
}

export function removeRow(id: string): void {
  const rows = state.rows.value;
  const index = rows.findIndex((row) => row.id === id);
  if (index < 0) return;
  edit(rows.filter((row) => row.id !== id));
  selectedRow.value = state.rows.value[Math.min(index, state.rows.value.length - 1)]?.id ?? null;
  notify("info", t("row.removed", { name: rows[index]?.name ?? "" }));
}

export function moveRow(id: string, to: number): void {
  const rows = [...state.rows.value];
  const from = rows.findIndex((row) => row.id === id);
  const target = Math.max(0, Math.min(rows.length - 1, to));
  if (from < 0 || from === target) return;
  const [row] = rows.splice(from, 1) as [Row];
  rows.splice(target, 0, row);
  edit(rows, `move.${id}`);
}
