// Listening: the clock, the picture that follows it, takes that are switched while they play, loops, and the mix itself.
import { openPage, until } from "../support/browser.mjs";
import { SAMPLE_RATE } from "../support/made_session.mjs";
import { MockServer } from "../support/mock_server.mjs";

const server = await new MockServer({ clips: 4, rows: 2, clipFrames: 100 }).start();
server.state.has_production = false; // so that every source that starts is a stem's
const { browser, page, problems, outside } = await openPage(server.url);
await page.evaluate(() => {
  globalThis.started = [];
  const { start, stop } = AudioBufferSourceNode.prototype;
  const owner = AudioScheduledSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (when, offset, length) {
    this.noted = { when, offset, until: when + length, length: this.buffer.length };
    globalThis.started.push(this.noted);
    return start.call(this, when, offset, length);
  };
  owner.stop = function (when) {
    if (this.noted) this.noted.until = Math.min(this.noted.until, when);
    return stop.call(this, when);
  };
});
const seen = {};
const position = () => page.evaluate(() => globalThis.selvaPanel.player.position() / globalThis.selvaPanel.player.sampleRateHz);
const clear = () => page.evaluate(() => (globalThis.started.length = 0));

await page.evaluate(() => {
  globalThis.selvaPanel.selectedRow.value = "r0";
  globalThis.selvaPanel.selectedClip.value = "c0";
});
seen.began = await position();
await page.keyboard.press(" ");
await until(async () => (await position()) > seen.began + 0.5, "the clock to advance");
const video = await page.evaluate(() => ({ at: document.querySelector("video.front").currentTime, paused: document.querySelector("video.front").paused }));
seen.pictureRan = video.at > 0 && !video.paused;

// Takes are switched while they play.
await page.keyboard.press("2");
await until(() => server.state.stems.find((stem) => stem.id === "s-r0-c0-2").active, "the server to know the take");
await until(() => page.evaluate(() => globalThis.started.length > 1), "the other take to begin");
await until(async () => (await position()) > seen.began + 1.4, "the other take to be heard");
seen.spans = await page.evaluate(() => globalThis.started.map(({ when, offset, until }) => ({ when, offset, until })));

await page.keyboard.press("k");
await until(() => page.evaluate(() => document.querySelector("video.front").paused), "the picture to stop");
seen.stopped = await page.evaluate(() => document.querySelector("video.front").paused);

// A loop is one unbroken line of starts.
await page.evaluate(() => globalThis.selvaPanel.seek(90010));
await page.keyboard.press("i");
await page.evaluate(() => globalThis.selvaPanel.seek(90025));
await page.keyboard.press("o");
await page.keyboard.press("r");
await clear();
await page.keyboard.press(" ");
await until(() => page.evaluate(() => globalThis.started.length >= 6), "the loop to come round");
seen.looped = await page.evaluate(() => globalThis.started.slice(0, 6).map(({ when, offset, until }) => ({ when, offset, until })));
seen.inLoop = await position();
await page.keyboard.press("k");
await page.keyboard.press("Escape");

// What is heard is what is placed: the page's mix against the sum of the files.
const [from, to] = [3600 * SAMPLE_RATE, 3602 * SAMPLE_RATE];
const heard = await page.evaluate(async ([a, b]) => Array.from((await globalThis.selvaPanel.player.renderMix(a, b)).getChannelData(0)), [from, to]);
const expected = new Float64Array(to - from);
const { rows, stems } = server.state;
for (const stem of stems.filter((one) => one.active)) {
  const bytes = server.audio(stem.id);
  const data = bytes.indexOf("data", 0, "latin1") + 8;
  const gain = 10 ** (rows.find((row) => row.id === stem.row_id).gain_db / 20);
  const start = (stem.start_frames * SAMPLE_RATE) / 25 - from;
  for (let n = 0; n < stem.length_samples; n++)
    if (start + n >= 0 && start + n < expected.length) expected[start + n] += (gain * bytes.readIntLE(data + (stem.offset_samples + n) * 3, 3)) / 8388608;
}
seen.loudest = heard.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
seen.difference = heard.reduce((most, value, n) => Math.max(most, Math.abs(value - expected[n])), 0);

// Production sound is heard instead, and stems again.
server.patch({ has_production: true });
seen.productionBefore = server.requests.filter((one) => one === "GET /api/production/audio").length;
await until(() => page.$(".segmented button:nth-child(2):not([disabled])"), "the production sound to be there");
await page.keyboard.press("b");
seen.production = await page.getAttribute(".segmented button:nth-child(2)", "aria-pressed");
seen.productionAskedFor = server.requests.filter((one) => one === "GET /api/production/audio").length;
await page.keyboard.press("b");
console.log(JSON.stringify({ ...seen, problems, outside }));
await browser.close();
await server.stop();
