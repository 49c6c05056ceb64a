// Edits of rows that were made at the same time, on two pages or before and after an undo, brought together.
import type { Row } from "./contract";

const byId = (rows: readonly Row[]): Map<string, Row> => new Map(rows.map((row) => [row.id, row]));
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const fieldsOf = (row: Row): (keyof Row)[] => Object.keys(row) as (keyof Row)[];

export interface Merged {
  rows: Row[];
  /** Whether a field was changed on both sides to different values. */
  hasConflict: boolean;
}

/**
 * What leads from `base` to `mine`, done to `theirs`: rows that were added, removed, moved, and fields that were changed. Where both
 * sides have changed a field, `theirs` counts, or `mine` where `mineCounts`.
 */
export function mergeRows(base: readonly Row[], mine: readonly Row[], theirs: readonly Row[], mineCounts = false): Merged {
  const [bases, mines, others] = [byId(base), byId(mine), byId(theirs)];
  let hasConflict = false;
  const rows = theirs
    .filter((row) => !bases.has(row.id) || mines.has(row.id))
    .map((row) => {
      const [before, after] = [bases.get(row.id), mines.get(row.id)];
      if (!before || !after) return row;
      const changed = fieldsOf(after).filter((field) => !isSame(before[field], after[field]));
      const contested = changed.filter((field) => !isSame(before[field], row[field]) && !isSame(after[field], row[field]));
      hasConflict ||= contested.length > 0;
      const taken = changed.filter((field) => mineCounts || !contested.includes(field));
      return { ...row, ...Object.fromEntries(taken.map((field) => [field, after[field]])) };
    });
  mine.forEach((row, index) => {
    if (!bases.has(row.id) && !others.has(row.id)) rows.splice(index, 0, row);
  });
  return { rows: inOrderOf(rows, base, mine), hasConflict };
}

/** In the order of `mine`, where it has moved rows; rows that it does not know stay behind the one that they were behind. */
function inOrderOf(rows: Row[], base: readonly Row[], mine: readonly Row[]): Row[] {
  const [before, after] = [base.map((row) => row.id), mine.map((row) => row.id)];
  const kept = (ids: string[]): string[] => ids.filter((id) => before.includes(id) && after.includes(id));
  if (isSame(kept(before), kept(after))) return rows;
  let place = -1;
  const placed = rows.map((row) => {
    if (after.includes(row.id)) place = after.indexOf(row.id);
    return { row, place };
  });
  return placed.sort((a, b) => a.place - b.place).map(({ row }) => row);
}
