import { loadSource } from "../support/sources.mjs";

const { mergeRows } = await loadSource("model/merge.ts");
const cases = JSON.parse(process.argv[2]);
const rows = (text) => text.split(" ").filter(Boolean).map((part) => ({ id: part[0], name: part.slice(1) }));
const shown = (list) => list.map((row) => row.id + row.name).join(" ");
console.log(JSON.stringify({ merged: cases.map(([base, mine, theirs]) => {
  const { rows: merged, hasConflict } = mergeRows(rows(base), rows(mine), rows(theirs));
  return [shown(merged), hasConflict];
}) }));
