// Chromium of the system, driven through playwright-core. Its own connections are switched off: what is left is the page's.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = join(dirname(fileURLToPath(import.meta.url)), "../../../../plugins/panel/web");
const require = createRequire(join(WEB, "package.json"));
const { chromium } = require("playwright-core");
export const AXE = require.resolve("axe-core/axe.min.js");

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage",
];

/** Opens a page on `url`; gathers what goes wrong and every request that leaves the page's own server. */
export async function openPage(url, { width = 1440, height = 900, theme = "dark", locale = "en-GB", reducedMotion = "reduce", scale = 1, ready = ".timeline" } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.SELVA_CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, locale, reducedMotion, deviceScaleFactor: scale });
  const page = await context.newPage();
  const problems = [];
  const outside = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
  });
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.request().method()} ${new URL(response.url()).pathname}`);
  });
  page.on("pageerror", (error) => problems.push(String(error.stack ?? error)));
  const origin = url.startsWith("file:") ? url : new URL(url).origin;
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(origin) && !/^(data|blob|about):/.test(to)) outside.push(to);
  });
  await page.goto(url);
  await page.waitForSelector(ready);
  return { browser, page, problems, outside };
}

/** Waits until `check` gives something true, looking every few milliseconds. */
export async function until(check, what, timeoutMs = 40000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
