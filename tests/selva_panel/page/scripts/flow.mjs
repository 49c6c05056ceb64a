// From the first prompt to what is placed without a mouse, and what a screen reader is given at every stop of the Tab key.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const server = await new MockServer({ stems: false, evidence: false, stepMs: 30 }).start();
server.patch({ rows: [] });
const { browser, page, problems, outside } = await openPage(server.url, { width: 1280, height: 720 });
const seen = {};
const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
/** Tab until the focus is on what `selector` names: what cannot be reached so is not there for somebody without a mouse. */
async function tabTo(selector) {
  for (let count = 0; count < 60; count++) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${selector}`);
}

await press("a");
await until(() => page.evaluate(() => document.activeElement?.dataset.field === "prompt"), "the new row");
await page.keyboard.type("small dog barking");
await press("Enter", "v");
await until(() => page.evaluate(() => globalThis.selvaPanel.state.evidence.value.length > 0), "the evidence");
await press("ArrowDown", ".", "Enter");
await until(() => page.$(".take"), "the take");
await until(() => page.$(".stem-wave"), "the waveform");
await press("Home", "Shift+ArrowRight", "i", "Shift+ArrowRight", "o");
await until(() => page.$("[data-action=redo]"), "the range to be the stretch");
seen.stretch = await page.textContent(".redo .tag");
await tabTo("[data-action=redo]");
const redone = page.waitForRequest((request) => request.url().endsWith("/api/redo"));
await press("Enter");
seen.redo = (await redone).postDataJSON();
await until(async () => (await page.$$(".take")).length === 2, "the second take");
await page.evaluate(() => document.activeElement.blur());
await press("1", "y");
await until(() => server.state.stems.some((stem) => stem.choice === "keep"), "the choice");
await press(" ");
await until(() => page.evaluate(() => globalThis.selvaPanel.player.running), "it to play");
await press("k", "p");
await until(() => page.evaluate(() => document.activeElement?.id === "tab-place"), "the focus to go to Place");
await tabTo(".side .button:not(:disabled)");
await press("Enter");
await until(() => page.$(".table tbody tr"), "the plan");
await tabTo(".side .button.primary");
await press("Enter");
await until(() => page.$(".report li"), "the report");
await tabTo(".report .button.danger");
await press("Enter");
await until(() => server.state.placed === null, "the removal");
await press("p");
await until(() => page.evaluate(() => document.activeElement?.id === "grid"), "the focus to go back to the timeline");

await page.focus(".topbar button");
const stops = [];
for (let count = 0; count < 80; count++) {
  if (count > 0) await press("Tab");
  if (await page.evaluate(() => document.activeElement === document.body || document.activeElement?.dataset.stop === "seen")) break;
  await page.evaluate(() => (document.activeElement.dataset.stop = "seen"));
  stops.push((await page.locator(":focus").ariaSnapshot()).split("\n")[0]);
}
seen.stops = stops;
const transition = () => page.evaluate(() => {
  const bar = document.createElement("div");
  bar.className = "progress";
  bar.append(document.createElement("i"));
  document.body.append(bar);
  const { transitionDuration } = getComputedStyle(bar.firstChild);
  bar.remove();
  return transitionDuration;
});
seen.calm = await transition();
await page.emulateMedia({ reducedMotion: "no-preference" });
seen.lively = await transition();
console.log(JSON.stringify({ ...seen, problems, outside }));
await browser.close();
await server.stop();
