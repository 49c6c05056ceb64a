// A whole session in the page of the real server: three prompts, the look, the render, listening, takes, the choice, and the file.
import { openPage, until } from "../support/browser.mjs";

const [url, prompts] = process.argv.slice(2).map((text) => JSON.parse(text));
const PATIENCE_MS = 150000;
const { browser, page, problems, outside } = await openPage(url);
const state = (key) => page.evaluate((name) => globalThis.selvaPanel.state[name].value, key);
const seen = {};
seen.clips = (await state("clips")).map((clip) => clip.name);
for (const prompt of prompts) {
  const before = await page.$$eval(".row", (rows) => rows.length);
  await page.keyboard.press("a");
  await until(() => page.evaluate((count) => document.querySelectorAll(".row").length > count && document.activeElement?.dataset.field === "prompt", before), "the new row");
  await page.keyboard.type(prompt);
  await page.keyboard.press("Enter");
}
await page.keyboard.press("v");
const cells = prompts.length * seen.clips.length;
await until(async () => (await state("evidence")).length === cells, "the evidence", PATIENCE_MS);
seen.rows = (await state("rows")).map((row) => row.name);
await page.click('.row[aria-rowindex="1"] .field.name');
await page.keyboard.press("Escape");
await page.fill(".fields input >> nth=0", "2");
await page.keyboard.press("Tab");
await until(async () => (await state("rows"))[0].takes === 2, "the number of takes");
await page.evaluate(() => document.activeElement.blur());
await page.evaluate(() => {
  globalThis.progress = [];
  setInterval(() => globalThis.progress.push(...globalThis.selvaPanel.state.jobs.value.filter((job) => job.state === "running").map((job) => [job.stage, job.done])), 30);
});
await page.keyboard.press("Shift+Enter");
await until(() => page.$(".running"), "the progress", PATIENCE_MS);
const [first] = await state("rows");
const expected = (await state("evidence")).filter((found) => found.seen).reduce((sum, found) => sum + (found.row_id === first.id ? 2 : 1), 0);
await until(async () => (await state("stems")).length === expected, "the stems", PATIENCE_MS);
await until(async () => !(await page.$(".running")), "the end of the jobs", PATIENCE_MS);
seen.progress = await page.evaluate(() => globalThis.progress);
seen.stems = await state("stems");
seen.evidence = (await state("evidence")).map(({ row_id, clip_id, seen: isSeen, x, y }) => ({ row_id, clip_id, seen: isSeen, places: x.length && y.length }));

const dog = seen.stems.find((stem) => stem.row_id === first.id && stem.take === 1);
await page.evaluate((stem) => {
  globalThis.selvaPanel.selectedRow.value = stem.row_id;
  globalThis.selvaPanel.selectedClip.value = stem.clip_id;
  globalThis.selvaPanel.seek(stem.start_frames);
}, dog);
await until(() => page.evaluate(() => document.querySelector("video.front")?.readyState >= 2), "the picture");
const clock = () => page.evaluate(() => ({ sound: globalThis.selvaPanel.player.position() / globalThis.selvaPanel.player.sampleRateHz, picture: document.querySelector("video.front").currentTime }));
const began = await clock();
await page.keyboard.press(" ");
await until(async () => (await clock()).sound > began.sound + 1, "the sound to run");
const drifts = [];
for (let count = 0; count < 20; count++) {
  drifts.push(Math.abs(await page.evaluate(() => globalThis.selvaPanel.picture().drift)));
  await page.waitForTimeout(50);
}
const ended = await clock();
seen.ran = { sound: ended.sound - began.sound, picture: ended.picture - began.picture };
seen.medianDrift = drifts.sort((a, b) => a - b)[10];
await page.keyboard.press("k");

await until(async () => (await page.$$(".take")).length === 2, "two takes in the list");
const active = async () => (await state("stems")).filter((stem) => stem.row_id === dog.row_id && stem.active).map((stem) => stem.take);
await page.keyboard.press("2");
await until(async () => (await active()).join() === "2", "the second take");
await page.keyboard.press("1");
await until(async () => (await active()).join() === "1", "the first take");
const box = await page.locator(".stem-wave").boundingBox();
await page.mouse.move(box.x + box.width * 0.3, box.y + 30);
await page.mouse.down();
await page.mouse.move(box.x + box.width * 0.4, box.y + 30, { steps: 4 });
await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 4 });
await page.mouse.up();
await page.click("[data-action=redo]");
await until(async () => (await state("stems")).some((stem) => stem.redone_from === dog.id), "the stretch to be redone", PATIENCE_MS);
await until(async () => (await page.$$(".take")).length === 3, "the third take in the list");
seen.redone = (await state("stems")).find((stem) => stem.redone_from === dog.id);
await page.keyboard.press("1");
await until(async () => (await active()).join() === "1", "the first take again");
await page.keyboard.press("y");
await page.waitForTimeout(400); // the server's own word of it, after the page's
seen.kept = (await state("stems")).find((stem) => stem.id === dog.id).choice;
const range = [Math.round(dog.start_frames * 1920), Math.round(dog.start_frames * 1920) + dog.length_samples];
seen.loudest = await page.evaluate(async ([from, to]) => (await globalThis.selvaPanel.player.renderMix(from, to)).getChannelData(0).reduce((most, value) => Math.max(most, Math.abs(value)), 0), range);
await page.keyboard.press("p");
await page.selectOption(".side select", "otio");
await page.click("text=What goes where");
await until(() => page.$(".table tbody tr"), "the plan");
seen.planned = await page.$$eval(".table tbody tr", (lines) => lines.map((line) => [...line.children].map((cell) => cell.textContent)));
await page.click(".button:text-is('Save')");
await until(() => page.$(".report li:has-text('written: ')"), "the file to be named", PATIENCE_MS);
console.log(JSON.stringify({ ...seen, problems, outside }));
await browser.close();
