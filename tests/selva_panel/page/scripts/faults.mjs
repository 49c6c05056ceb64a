// What goes wrong while somebody works: keys that are held, a server that goes away, a session that is over, jobs that fail, a plan that is overtaken.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const server = await new MockServer({ clips: 4, rows: 2, clipFrames: 60 }).start();
const { browser, page, problems, outside } = await openPage(server.url);
const seen = {};
const notice = (text) => until(() => page.$(`.notice:has-text("${text}")`), `"${text}"`);

// A key that is held down: moving goes on, and what adds, removes or plays happens once.
await page.click('.row[data-row="r0"] .lane', { position: { x: 50, y: 30 } });
await page.keyboard.press("d");
await until(() => server.state.rows.length === 3, "the copy of the row");
for (let count = 0; count < 4; count++) await page.keyboard.down("Delete");
await page.keyboard.up("Delete");
await until(() => server.state.rows.length < 3, "the removal");
await page.waitForTimeout(300);
seen.rowsLeft = server.state.rows.length;
const before = await page.evaluate(() => globalThis.selvaPanel.playhead.value);
for (let count = 0; count < 3; count++) await page.keyboard.down("ArrowRight");
await page.keyboard.up("ArrowRight");
seen.framesMoved = (await page.evaluate(() => globalThis.selvaPanel.playhead.value)) - before;

// The waveform that is opened while the playhead stands in the clip shows it there.
await page.evaluate(() => {
  globalThis.selvaPanel.selectedClip.value = null;
  globalThis.selvaPanel.seek(90000 + 30);
});
await page.click('.row[data-row="r0"] .lane', { position: { x: 50, y: 30 } });
await until(() => page.evaluate(() => parseFloat(document.querySelector(".stem-wave > div")?.shadowRoot?.querySelector("[part=cursor]")?.style.left ?? "0") > 20), "the cursor of the waveform");

// A take that is chosen after the table was made: the table says so, and places nothing until it was made again.
await page.keyboard.press("p");
await page.click("text=Place into REAPER");
await until(() => page.$(".table tbody tr"), "the plan");
server.patch({ stems: server.state.stems.map((stem, index) => (index === 0 ? { ...stem, choice: "reject" } : stem)) });
await until(() => page.$("text=this table is not what is heard now"), "the warning");
seen.placeButtons = await page.$$eval(".side .button.primary", (buttons) => buttons.map((button) => button.textContent));
await page.click("text=Look again");
await until(() => page.$(".side .button.primary:has-text('Place into REAPER')"), "the new plan");

// A job that fails is told of wherever somebody looks; the same message of many jobs once.
for (const id of ["f1", "f2"]) {
  const job = { id, kind: "render", row_ids: ["r1"], clip_ids: ["c1"], state: "running", stage: "sampling", done: 0.5, seconds_left: 1, mine: true, message: null };
  for (const socket of server.sockets) {
    socket.send({ type: "job", job });
    socket.send({ type: "job", job: { ...job, state: "failed", message: "the disk of the stems is full" } });
  }
}
await notice("the disk of the stems is full");
seen.failures = (await page.$$(".notice.error")).length;
server.patch({ saving_problem: "cannot write the session: no space left" });
await notice("no space left");
server.patch({ saving_problem: null });
await until(async () => !(await page.$('.notice:has-text("no space left")')), "the problem to be over");

// A server that is away for a while: what is typed meanwhile is kept, and sent when it is back.
await page.route("**/api/**", (route) => route.abort());
for (const socket of [...server.sockets]) socket.close();
await page.fill('.field.prompt[data-row="r0"]', "كلب ينبح 🐕 <b>loud</b>");
await notice("does not answer");
await page.unroute("**/api/**");
await until(() => server.state.rows[0].prompt === "كلب ينبح 🐕 <b>loud</b>", "the edit to arrive");
seen.shown = await page.inputValue('.field.prompt[data-row="r0"]');

// The cookie is gone, or the panel was started again.
const refused = { status: 403, json: { error: { code: "access_refused", message: "This browser has not opened the panel.", remedy: "Open the link." } } };
await page.route("**/api/**", (route) => route.fulfill(refused));
server.refusesSockets = true;
for (const socket of [...server.sockets]) socket.close();
await until(() => page.$(".daemon.ended"), "the end of the session to be shown");
await notice("This browser has not opened the panel.");
seen.chip = await page.textContent(".daemon span");
server.refusesSockets = false;
await page.unroute("**/api/**");
await until(() => page.$(".daemon:not(.ended):not(.lost)"), "the session to go on");

// At 29.97 the first frame begins a fraction before a sample: it plays from there all the same.
const dropped = await new MockServer({ clips: 2, rows: 1, rate: [30000, 1001], dropFrame: true, stems: false }).start();
await page.goto(dropped.url);
await until(() => page.evaluate(() => globalThis.selvaPanel?.state.clips.value.length === 2), "the cut of 29.97");
await page.keyboard.press(" ");
await until(() => page.evaluate(() => globalThis.selvaPanel.playhead.value > 107892 + 6), "the cut of 29.97 to play");
// Two presses at once: the second one stops what the first is only starting.
await page.keyboard.press("k");
seen.playsAfterTwoPresses = await page.evaluate(async () => {
  const { player } = globalThis.selvaPanel;
  for (let count = 0; count < 2; count++) document.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
  await player.play(); // the start that is under way
  await new Promise((resolve) => setTimeout(resolve));
  return player.running;
});
seen.dropped = (await page.inputValue(".timecode")).slice(0, 9);
await dropped.stop();
const expected = /^403 GET|WebSocket connection|ERR_FAILED/;
console.log(JSON.stringify({ ...seen, problems: problems.filter((text) => !expected.test(text)), outside: outside.filter((to) => !to.startsWith(dropped.url)) }));
await browser.close();
await server.stop();
