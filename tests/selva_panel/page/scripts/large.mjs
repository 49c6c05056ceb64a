// How a session of many clips opens and scrolls: what is in the document, what is asked of the server, and how long frames take.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const [clips, rows, steps, traced] = process.argv.slice(2).map((text) => JSON.parse(text));
/**
 * Processor milliseconds of the page's tasks on its main thread, longest first: a frame cannot be late for longer than its tasks
 * take, whatever else the machine does.
 */
function mainThreadTasks(events) {
  const threads = new Set(events.filter((one) => one.name === "thread_name" && one.args.name === "CrRendererMain").map((one) => `${one.pid}/${one.tid}`));
  const times = events
    .filter((one) => one.ph === "X" && one.name.includes("RunTask") && threads.has(`${one.pid}/${one.tid}`))
    .map((one) => (one.tdur ?? 0) / 1000)
    .sort((a, b) => b - a);
  const all = times.reduce((sum, time) => sum + time, 0);
  return { count: times.length, all_cpu_ms: Math.round(all), longest_cpu_ms: times.slice(0, 5), over_50_ms: times.filter((time) => time > 50).length };
}

const endTrace = async () => mainThreadTasks(JSON.parse((await browser.stopTracing()).toString()).traceEvents);
const startTrace = () => browser.startTracing(page, { categories: ["toplevel", "devtools.timeline"] });

const server = await new MockServer({ clips, rows, stems: true }).start();
const began = Date.now();
const { browser, page, problems, outside } = await openPage(server.url, { width: 1440, height: 900 });
const painted = () => until(() => page.evaluate(() => document.querySelectorAll("canvas.tile").length > 4), "the tiles");
await painted();
const now = () => page.evaluate(() => performance.now());
let openedMs = await now();
let opening = null;
if (traced) {
  await page.goto("about:blank");
  await startTrace();
  await page.goto(server.url);
  await painted();
  openedMs = await now();
  opening = { state_mb: Number((JSON.stringify(server.state).length / 1e6).toFixed(1)), ...(await endTrace()) };
}
const count = () => page.evaluate(() => ({ nodes: document.querySelectorAll("*").length, canvases: document.querySelectorAll("canvas").length }));
const atStart = await count();
if (traced) await startTrace();
const frames = await page.evaluate(
  (steps) =>
    new Promise((resolve) => {
      const scroller = document.querySelector(".scroller");
      const end = Math.min(scroller.scrollWidth - scroller.clientWidth, steps * 40);
      const times = [];
      let last = performance.now();
      let step = 0;
      const turn = (now) => {
        times.push(now - last);
        last = now;
        if (step++ >= steps) return resolve(times.slice(2));
        scroller.scrollLeft = (end * step) / steps;
        scroller.scrollTop = (step % 100) * 4;
        requestAnimationFrame(turn);
      };
      requestAnimationFrame(turn);
    }),
  steps,
);
const tasks = traced ? await endTrace() : null;
await page.waitForTimeout(300);
const atEnd = await count();
await page.keyboard.press("z");
await page.waitForTimeout(300);
const wholeCut = await count();
const sorted = [...frames].sort((a, b) => a - b);
console.log(
  JSON.stringify({
    clips, rows, opened_ms: Math.round(openedMs), wall_ms: Date.now() - began, at_start: atStart, at_end: atEnd, whole_cut: wholeCut,
    strips: server.requests.filter((one) => one.endsWith("/strip")).length,
    frames: {
      count: frames.length, median_ms: sorted[sorted.length >> 1], p99_ms: sorted[Math.floor(sorted.length * 0.99)], longest_ms: sorted.at(-1),
      over_50_ms: frames.filter((time) => time > 50).length,
    },
    opening, tasks, problems, outside,
  }),
);
await browser.close();
await server.stop();
