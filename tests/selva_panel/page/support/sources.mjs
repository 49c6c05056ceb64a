// Modules of the page, compiled in memory, for tests of what needs no browser.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = join(dirname(fileURLToPath(import.meta.url)), "../../../../plugins/panel/web");
const { build } = createRequire(join(WEB, "package.json"))("esbuild");

/** The exports of one module below src. */
export async function loadSource(path) {
  const { outputFiles } = await build({ entryPoints: [join(WEB, "src", path)], bundle: true, format: "esm", write: false, logLevel: "error" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
