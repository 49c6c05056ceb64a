// How far picture and sound are apart, over as long as is asked.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const [file, minutes] = process.argv.slice(2).map((text) => JSON.parse(text));
const clips = Math.ceil(minutes) + 1;
const server = await new MockServer({ clips, rows: 2, clipFrames: 1500, continuous: true, evidence: true, files: { m0: file } }).start();
const { browser, page, problems, outside } = await openPage(server.url);
await page.keyboard.press(" ");
await until(() => page.evaluate(() => globalThis.selvaPanel.playhead.value > 90050), "the sound to run");
await page.evaluate(() => {
  globalThis.drifts = [];
  let last = 0;
  setInterval(() => {
    const { drift } = globalThis.selvaPanel.picture();
    if (drift !== last) globalThis.drifts.push((last = drift));
  }, 20);
});
await page.waitForTimeout(minutes * 60000);
const { drifts, at } = await page.evaluate(() => ({ drifts: globalThis.drifts, at: globalThis.selvaPanel.playhead.value }));
const sizes = drifts.map(Math.abs).sort((a, b) => a - b);
const lastTenth = drifts.slice(-Math.ceil(drifts.length / 10)).map(Math.abs).sort((a, b) => a - b);
const share = (values, part) => Number((1000 * values[Math.min(values.length - 1, Math.floor(values.length * part))]).toFixed(2));
console.log(
  JSON.stringify({
    minutes, frames_played: at - 90000, frames_judged: drifts.length, frame_ms: 40,
    drift_ms: { median: share(sizes, 0.5), p95: share(sizes, 0.95), p99: share(sizes, 0.99), most: share(sizes, 1) },
    last_tenth_ms: { median: share(lastTenth, 0.5), p95: share(lastTenth, 0.95) },
    under_a_frame: Number((sizes.filter((size) => size < 0.04).length / sizes.length).toFixed(4)),
    problems, outside,
  }),
);
await browser.close();
await server.stop();
