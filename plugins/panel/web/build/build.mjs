// Builds the page into selva_panel/static. The same sources give the same bytes on every system: a test builds again and compares.
import { build } from "esbuild";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const out = process.argv[2] ?? join(dirname(web), "selva_panel", "static");

// wavesurfer puts its style sheet into its shadow root as a <style> element, which the page's content security policy forbids.
// As a <template> it is inert; StemWave.tsx reads it and adopts it as a constructed style sheet, which the policy allows.
const inertStyleSheet = {
  name: "inert-style-sheet",
  setup(builder) {
    builder.onResolve({ filter: /^wavesurfer\.js$/ }, () => ({
      path: join(web, "node_modules/wavesurfer.js/dist/wavesurfer.js"),
    }));
    builder.onLoad({ filter: /wavesurfer\.js[\\/]dist[\\/]renderer\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const parts = source.split(/<style\$\{cspNonce .*? : ''\}>|<\/style>/);
      if (parts.length !== 3) throw new Error(`${path}: one <style> element was expected; look at the new release`);
      return { contents: `${parts[0]}<template>${parts[1]}</template>${parts[2]}`, loader: "js" };
    });
  },
};

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "assets"), { recursive: true });
await build({
  absWorkingDir: web,
  entryPoints: { app: "src/main.tsx" },
  outdir: join(out, "assets"),
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome110", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none", // licences.txt has them whole
  charset: "utf8",
  logLevel: "warning",
  plugins: [inertStyleSheet],
});
await build({
  absWorkingDir: web,
  entryPoints: { app: "src/style/app.css" },
  outdir: join(out, "assets"),
  bundle: true,
  minify: true,
  target: ["chrome110", "firefox115", "safari16.4"],
  logLevel: "warning",
});

const text = (path) => readFileSync(path, "utf8").replaceAll("\r\n", "\n");
writeFileSync(join(out, "index.html"), text(join(web, "src/index.html")));
cpSync(join(web, "src/icon.svg"), join(out, "assets/icon.svg"));
mkdirSync(join(out, "strings"));
for (const name of readdirSync(join(web, "strings")).sort()) {
  const strings = JSON.parse(text(join(web, "strings", name)));
  writeFileSync(join(out, "strings", name), `${JSON.stringify(strings)}\n`);
}

const builtIn = ["preact", "@preact/signals", "@preact/signals-core", "wavesurfer.js"];
const licences = builtIn.map((name) => {
  const folder = join(web, "node_modules", name);
  const { version, license } = JSON.parse(text(join(folder, "package.json")));
  return `${name} ${version} (${license})\n\n${text(join(folder, "LICENSE")).trim()}\n`;
});
writeFileSync(
  join(out, "assets/licences.txt"),
  `Libraries built into the page of Selva's panel, with their licences.\n\n${licences.join(`\n${"-".repeat(78)}\n\n`)}`,
);
