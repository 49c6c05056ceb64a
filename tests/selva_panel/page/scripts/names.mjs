import { loadSource } from "../support/sources.mjs";

globalThis.window = globalThis; // the module asks for a window when rows are edited, not when they are named
const { nameOf } = await loadSource("model/rows.ts");
console.log(JSON.stringify({ names: JSON.parse(process.argv[2]).map(nameOf) }));
