// The page that is sent, opened from its file: it plays, pans, takes choices and notes, and saves them.
import { readFileSync } from "node:fs";
import { AXE, openPage, until } from "../support/browser.mjs";

const [url, words] = process.argv.slice(2).map((text) => JSON.parse(text));
const { browser, page, problems, outside } = await openPage(url, { ready: "#play:enabled", locale: "de-DE" });
const seen = { lang: await page.getAttribute("html", "lang"), text: await page.textContent("main") };
await page.evaluate(() => {
  globalThis.pans = [];
  for (const name of ["setValueAtTime", "linearRampToValueAtTime"]) {
    const whole = AudioParam.prototype[name];
    AudioParam.prototype[name] = function (value, when) {
      globalThis.pans.push([name, value, when]);
      return whole.call(this, value, when);
    };
  }
});
seen.violations = await page.evaluate(`(async () => {${readFileSync(AXE, "utf8")}; return (await globalThis.axe.run(document)).violations.map(({ id }) => id); })()`);
const position = async () => Number(await page.inputValue("#position"));
await page.click("#play");
await until(async () => (await position()) > 0.5, "the position to advance");
seen.picture = await page.evaluate(() => document.getElementById("picture").currentTime);
seen.pausing = await page.textContent("#play");
seen.pans = await page.evaluate(() => globalThis.pans);
await page.selectOption("select", "keep");
await until(async () => (await page.textContent("#play")) === words.pause, "the choice to be heard at once");
await page.check("input[type=checkbox]");
await page.click("#play");
let stopped = Number.NaN;
await until(async () => {
  const earlier = stopped;
  stopped = await position();
  return stopped === earlier;
}, "the position to stand");
await page.waitForTimeout(60);
seen.stands = (await position()) === stopped;
await page.fill("#by", "R.");
await page.fill("#note", "leiser bitte");
await page.click("#add");
const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
seen.saved = JSON.parse(readFileSync(await download.path(), "utf8"));
console.log(JSON.stringify({ ...seen, problems, outside }));
await browser.close();
