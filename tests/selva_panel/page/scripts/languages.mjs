// What the server says, in the language of the page where its code has words there, and in the server's own words else.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const PROBLEM = "there is no file at /Volumes/犬/a.mov; relink the clip";
const seen = { problems: [], outside: [] };
for (const [language, locale] of [["de", "de-DE"], ["ja", "ja-JP"], ["en", "en-GB"]]) {
  const server = await new MockServer({ clips: 2, rows: 1, stems: false, evidence: false }).start();
  server.patch({
    clips: server.state.clips.map((clip) => ({ ...clip, problem: PROBLEM, problem_code: "media-not-found" })),
    estimate: { cells: 0, seconds: null },
  });
  const { browser, page, problems, outside } = await openPage(server.url, { locale });
  const fail = (id, message, code) => {
    const job = { id, kind: "render", row_ids: ["r0"], clip_ids: ["c1"], state: "failed", stage: "", done: 0.5, seconds_left: null, mine: true, message, code };
    for (const socket of server.sockets) socket.send({ type: "job", job });
  };
  await until(() => server.sockets.size > 0, "the socket");
  fail("f1", "CUDA ran out of memory on take 2", "out-of-memory");
  const notice = await until(() => page.$(".notice.error"), "the notice");
  const found = { notice: await notice.$eval("b", (element) => element.textContent) };
  found.detail = await notice.evaluate((element) => {
    const detail = element.querySelector(".detail");
    return detail && [detail.lang, detail.textContent];
  });
  fail("f2", "a fault of tomorrow", "tomorrow-unknown");
  await until(async () => (await page.$$(".notice.error")).length === 2, "the second notice");
  found.unknown = await page.$eval(".notice.error:last-child b", (element) => element.textContent);
  await page.click('.row[data-row="r0"] .lane', { position: { x: 50, y: 30 } });
  found.clip = await (await until(() => page.$(".panel-part.cell > .problem"), "the problem of the clip")).textContent();
  found.footer = await page.textContent(".footer > .quiet");
  seen[language] = found;
  seen.problems.push(...problems);
  seen.outside.push(...outside);
  await browser.close();
  await server.stop();
}
console.log(JSON.stringify(seen));
