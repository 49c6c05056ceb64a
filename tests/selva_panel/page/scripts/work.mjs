// Rendering, redoing, choosing, placing, saving, and what goes wrong on the way.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const server = await new MockServer({ stems: false, evidence: false, stepMs: 60 }).start();
const { browser, page, problems, outside } = await openPage(server.url);
const seen = {};
await page.evaluate(() => {
  globalThis.announced = [];
  const status = document.querySelector("[role=status]");
  new MutationObserver(() => globalThis.announced.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
});
const announced = (text) => until(() => page.evaluate((part) => globalThis.announced.some((one) => one.includes(part)), text), `"${text}" to be announced`);
await page.keyboard.press("v");
await until(() => page.evaluate(() => globalThis.selvaPanel.state.evidence.value.length === 24), "the evidence");
await page.click('.row[data-row="r0"] .lane', { position: { x: 50, y: 30 } });
seen.verdict = await page.textContent(".verdict");
await page.click('.row[data-row="r0"] .lane', { position: { x: 370, y: 30 } });
seen.notSeen = await page.textContent(".verdict");
seen.includedByDefault = await page.isChecked(".seen input");

await page.click('.row[data-row="r0"] .lane', { position: { x: 50, y: 30 } });
await page.keyboard.press("Enter");
await announced("1 rendering, 25 per cent, making the sound");
await until(() => server.state.stems.length === 1, "the stem");
await until(() => page.$(".take"), "the take");
await announced("All renders are finished.");

await page.keyboard.press("Shift+Enter");
await until(() => server.state.stems.length > 10, "all stems");
seen.notSeenWasLeftOut = !server.state.stems.some((stem) => stem.row_id === "r0" && stem.clip_id === "c3");

await until(() => page.$(".stem-wave"), "the waveform");
const box = await page.locator(".stem-wave").boundingBox();
await page.mouse.move(box.x + box.width * 0.25, box.y + 30);
await page.mouse.down();
await page.mouse.move(box.x + box.width * 0.4, box.y + 30, { steps: 4 });
await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 4 });
await page.mouse.up();
const sent = page.waitForRequest((request) => request.url().endsWith("/api/redo"));
await page.click("[data-action=redo]");
seen.redo = (await sent).postDataJSON();
await until(() => page.$("text=a stretch redone"), "the new take");

await page.keyboard.press("y");
await until(() => server.state.stems.some((stem) => stem.choice === "keep"), "the choice");
seen.kept = await page.getAttribute("#active-cell", "aria-label");
// A real drag of a take's file: what another program would be given, and whose bytes lie behind it.
await page.evaluate(() => {
  document.addEventListener("dragstart", (event) => (globalThis.offered = event.dataTransfer.getData("DownloadURL")));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    globalThis.dragged = Object.fromEntries(event.dataTransfer.types.map((type) => [type, event.dataTransfer.getData(type)]));
  });
});
await page.dragAndDrop(".take a", ".screen");
seen.dragged = await until(() => page.evaluate(() => globalThis.dragged), "the drop");
seen.offered = await page.evaluate(() => globalThis.offered);
const first = server.state.stems.find((stem) => stem.row_id === "r0" && stem.clip_id === "c0" && stem.take === 1);
const dropped = await page.evaluate(async (url) => [...new Uint8Array(await (await fetch(url)).arrayBuffer())].reduce((sum, byte) => (sum * 31 + byte) % 1000003, 7), seen.dragged["text/uri-list"].trim());
seen.sameBytes = dropped === server.audio(first.id).reduce((sum, byte) => (sum * 31 + byte) % 1000003, 7);

await page.keyboard.press("p");
await page.click("text=Place into REAPER");
await until(() => page.$(".table tbody tr"), "the plan");
seen.planned = await page.$$eval(".table tbody tr", (lines) => lines.length);
seen.conflicts = await page.$$eval(".table tbody tr.conflict", (lines) => lines.length);
seen.nothingPlacedYet = server.state.placed === null;
await page.click(".button.primary:has-text('Place into REAPER')");
await until(() => page.$(".report li"), "the report");
await page.click("text=Remove again");
await until(() => server.state.placed === null, "the removal");
await page.click(".button:text-is('Save')");
await until(() => page.$(".report li:has-text('written: ')"), "the file to be named");
const [copy] = await Promise.all([page.waitForEvent("download"), page.click("text=Download a copy")]);
seen.saved = copy.suggestedFilename();
const [toSend] = await Promise.all([page.waitForEvent("download"), page.click("text=Export page")]);
seen.exported = toSend.suggestedFilename();
await page.setInputFiles("input[type=file]", { name: "notes.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ notes: [{ text: "softer steps", by: "Director", stem_id: null, frame: null }] })) });
await until(() => page.$(".note:has-text('softer steps')"), "the note");
await page.setInputFiles("input[type=file]", { name: "holiday.txt", mimeType: "text/plain", buffer: Buffer.from("not json") });
await until(() => page.$(".notice.error:has-text('holiday.txt is no file of notes')"), "the refusal");

// A page that comes late, or comes back, sees the same.
for (const socket of [...server.sockets]) socket.close();
server.state.rows = server.state.rows.map((row) => ({ ...row, name: `${row.name} II` }));
await until(() => page.evaluate(() => document.querySelector(".field.name").value.endsWith(" II")), "the page to come back");

await page.route("**/api/render", (route) => route.fulfill({ status: 507, json: { error: { code: "disk_full", message: "The disk is full.", remedy: "Free 2 GB." } } }));
await page.keyboard.press("Shift+Enter");
await until(() => page.$(".notice.error:has-text('The disk is full.')"), "the error");
seen.error = await page.textContent(".notice.error:has-text('The disk is full.') p");
const expected = /^507 POST \/api\/render$|WebSocket connection/;
console.log(JSON.stringify({ ...seen, problems: problems.filter((text) => !expected.test(text)), outside }));
await browser.close();
await server.stop();
