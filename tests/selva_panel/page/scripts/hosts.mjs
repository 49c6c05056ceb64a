// Placing into a host by clicking: a prompt is typed, rendered, looked at in the table, placed, and looked at once more.
import { openPage, until } from "../support/browser.mjs";

const [url, label, canSave] = process.argv.slice(2).map((text) => JSON.parse(text));
const PATIENCE_MS = 120000;
const { browser, page, problems, outside } = await openPage(url);
const state = (key) => page.evaluate((name) => globalThis.selvaPanel.state[name].value, key);
const table = () => page.$$eval(".table tbody tr", (lines) => lines.map((line) => [...line.children].map((cell) => cell.textContent)));
const plan = async () => {
  await page.click(`.side .button:has-text('Place into ${label}')`);
  await until(() => page.$(".table tbody tr"), "the plan");
  return table();
};
const seen = { scope: await page.textContent(".topbar .tag.accent") };
await page.click("text=Add track");
await until(() => page.evaluate(() => document.activeElement?.dataset.field === "prompt"), "the new row");
await page.keyboard.type("small dog barking");
await page.keyboard.press("Enter");
await page.click(".footer .button.primary");
const isAtWork = async () => (await state("jobs")).some((job) => job.mine && ["queued", "running"].includes(job.state));
await until(async () => (await state("stems")).length > 0 && (await state("estimate")).cells === 0 && !(await isAtWork()), "the stems", PATIENCE_MS);
await page.click("#tab-place");
seen.planned = await plan();
await page.click(".side .button:text-is('Cancel')");
seen.afterCancel = await state("placed");
await plan();
await page.click(`.button.primary:has-text('Place into ${label}')`);
await until(() => page.$(".report li"), "the report", PATIENCE_MS);
seen.report = await page.$$eval(".report li", (lines) => lines.map((line) => line.textContent));
seen.plannedAgain = await plan();
await page.click(".side .button:text-is('Cancel')");
if (canSave) {
  await page.selectOption(".side select", "otio");
  await page.click(".side .button:text-is('Save')");
  await until(() => page.$(".report li:has-text('written: ')"), "the file to be named", PATIENCE_MS);
  seen.saved = (await page.textContent(".report li:has-text('written: ')")).replace("written: ", "");
} else {
  await page.click("text=Remove again");
  await until(() => page.$(".notice.error"), "the reason why it stays", PATIENCE_MS);
  seen.removed = await page.textContent(".notice.error p");
}
console.log(JSON.stringify({ ...seen, problems, outside }));
await browser.close();
