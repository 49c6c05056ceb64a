// axe-core on every view of the page; contrast in both themes.
import { AXE, openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const server = await new MockServer().start();
const { browser, page, problems, outside } = await openPage(server.url, { width: 1280, height: 720 });
await page.evaluate(`(() => {${(await import("node:fs")).readFileSync(AXE, "utf8")}})()`);
const violations = {};
async function judge(view, options) {
  const found = await page.evaluate(async (options) => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"], ...options });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  }, options);
  if (found.length) violations[view] = found;
}

async function check(view) {
  await judge(`${view}, dark`, {});
  await page.emulateMedia({ colorScheme: "light" });
  await judge(`${view}, light`, { runOnly: ["color-contrast"] });
  await page.emulateMedia({ colorScheme: "dark" });
}

await check("opened");
await page.click('.row[data-row="r0"] .lane', { position: { x: 150, y: 30 } });
await until(() => page.$(".stem-wave"), "the waveform");
await check("cell");
const measures = await page.$$eval(".measures div", (lines) => lines.map((line) => [...line.children].map((part) => part.firstChild.textContent)));
await page.click(".own summary");
await check("overrides");
await page.click('.row[data-row="r1"] .row-fields .name');
await page.keyboard.press("Escape");
await page.evaluate(() => (globalThis.selvaPanel.selectedClip.value = null));
await check("row");
server.patch({
  jobs: [
    { id: "a", row_ids: ["r0"], clip_ids: ["c1"], state: "running", stage: "sampling", done: 0.4, seconds_left: 70, mine: true, message: null },
    { id: "b", row_ids: [], clip_ids: [], state: "queued", stage: "", done: 0, seconds_left: null, mine: false, message: null },
    { id: "c", row_ids: ["r1"], clip_ids: ["c0"], state: "failed", stage: "", done: 0.4, seconds_left: null, mine: true, message: "the disk is full" },
  ],
});
await page.click("#tab-queue");
await until(() => page.$(".job.other"), "the queue");
await check("queue");
await page.click("#tab-place");
await check("place");
await page.click("text=Place into REAPER");
await until(() => page.$(".table .conflict"), "the plan");
await check("plan");
await page.keyboard.press("?");
await until(() => page.$("dialog[open]"), "the list of keys");
await check("keys");
await page.keyboard.press("Escape");
await page.click(".daemon");
await page.click("text=Fetch …");
await check("models");
await page.keyboard.press("Escape");
server.patch({ rows: [], evidence: [], stems: [] });
await until(() => page.$(".empty"), "the empty timeline");
await check("empty");
await page.setViewportSize({ width: 800, height: 720 });
const narrow = await page.evaluate(() => {
  document.documentElement.scrollTop = document.documentElement.scrollHeight;
  const [side, footer] = [".side", ".footer"].map((selector) => document.querySelector(selector).getBoundingClientRect());
  return { sideways: document.documentElement.scrollWidth - innerWidth, covered: Math.max(0, Math.floor(side.bottom - footer.top)) };
});
console.log(JSON.stringify({ narrow, measures, violations, problems, outside }));
await browser.close();
await server.stop();
