// How a session of many clips opens and scrolls: what is in the document, what is asked of the server, and how long frames take.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const [clips, rows, steps] = process.argv.slice(2).map((text) => JSON.parse(text));
const server = await new MockServer({ clips, rows, stems: true }).start();
const began = Date.now();
const { browser, page, problems, outside } = await openPage(server.url, { width: 1440, height: 900 });
await until(() => page.evaluate(() => document.querySelectorAll("canvas.tile").length > 4), "the tiles");
const openedMs = await page.evaluate(() => performance.now());
const count = () => page.evaluate(() => ({ nodes: document.querySelectorAll("*").length, canvases: document.querySelectorAll("canvas").length }));
const atStart = await count();
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
    problems, outside,
  }),
);
await browser.close();
await server.stop();
