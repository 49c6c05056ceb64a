// The page by keyboard alone, and what it does with text that is meant to be markup.
import { openPage, until } from "../support/browser.mjs";
import { MockServer } from "../support/mock_server.mjs";

const server = await new MockServer().start();
const { browser, page, problems, outside } = await openPage(server.url);
const rows = () => server.state.rows;
const cell = () => page.getAttribute("#active-cell", "aria-label");
const seen = {};

await page.keyboard.press("ArrowDown");
await page.keyboard.press(".");
seen.firstCell = await cell();
await page.keyboard.press(".");
await page.keyboard.press("ArrowDown");
await page.keyboard.press(".");
seen.ownPrompt = await cell();
await page.keyboard.press("x");
await until(() => rows()[1].overrides.c2?.include === true, "the clip to be taken along");
seen.takenAlong = await cell();
await page.keyboard.press("Control+z");
await until(() => rows()[1].overrides.c2?.include === undefined, "the edit to be undone");
await page.keyboard.press("Control+Shift+z");
await until(() => rows()[1].overrides.c2?.include === true, "the edit to be done again");
await page.keyboard.press("Control+z");

await page.keyboard.press("m");
await page.keyboard.press("d");
await until(() => rows().length === 4, "the duplicate");
seen.afterDuplicate = rows().map((row) => [row.name, row.mute]);
await page.keyboard.press("Alt+ArrowUp");
await until(() => rows()[1].name === "Dog 2", "the row to move");
await page.keyboard.press("Delete");
await until(() => rows().length === 3, "the row to go");

await page.keyboard.press("a");
await until(() => page.evaluate(() => document.activeElement?.dataset.field === "prompt"), "the new row's field");
const evil = `<img src=x onerror="document.title='hacked'"> {n}`;
await page.keyboard.type(evil);
await page.keyboard.press("Enter");
await until(() => rows()[3]?.prompt === evil, "the prompt");
server.patch({ clips: server.state.clips.map((clip, index) => (index === 0 ? { ...clip, name: "<script>document.title='hacked'</script>" } : clip)) });
await page.evaluate(() => (globalThis.selvaPanel.selectedClip.value = "c0"));
await until(async () => (await cell())?.includes("<script>"), "the clip's new name"); // it comes by the socket
seen.evilCell = await cell();
seen.images = await page.$$eval("img", (images) => images.length);
seen.typedKeysStayInTheField = rows().length;

await page.click('.row[data-row="r0"] .chip');
await page.keyboard.press(" ");
await until(() => page.evaluate(() => globalThis.selvaPanel.player.running), "the space bar to play after a click");
await page.keyboard.press(" ");
await until(() => rows()[0].mute, "the click to have muted");
await page.focus('.row[data-row="r0"] .chip');
await page.keyboard.press(" ");
await until(() => !rows()[0].mute, "the space bar to press the button that has the focus");

await page.keyboard.press("?");
seen.listed = await page.$$eval("dialog kbd", (keys) => keys.map((key) => key.textContent));
await page.keyboard.press("Escape");
await page.keyboard.press("Home");
await page.keyboard.press("Shift+ArrowRight");
await page.keyboard.press("ArrowRight");
seen.timecode = await page.inputValue(".timecode");
await page.fill(".timecode", "01:00:03:07");
await page.keyboard.press("Enter");
seen.typedTimecode = await page.evaluate(() => globalThis.selvaPanel.playhead.value);
await page.keyboard.press("PageDown");
seen.nextCut = await page.evaluate(() => globalThis.selvaPanel.playhead.value);

// Another page edits other fields: both edits count, and an undo takes back this page's alone.
server.state.revision += 5;
server.state.rows = rows().map((row) => ({ ...row, name: `${row.name}?` }));
await page.keyboard.press("s");
await until(() => rows().some((row) => row.solo) && rows()[0].name.endsWith("?"), "both edits on the server");
await page.keyboard.press("Control+z");
await until(() => !rows().some((row) => row.solo), "the undo");
seen.namesAfterUndo = rows().map((row) => row.name);

// Another page edits the same field: its version is taken over and nobody's is lost in silence.
server.state.revision += 5;
server.state.rows = rows().map((row) => ({ ...row, name: `${row.name}!` }));
await page.fill('.field.name >> nth=0', "mine");
await page.keyboard.press("Escape");
await until(() => page.$(".notice:has-text('Another page changed the tracks')"), "the message");
seen.namesAfterConflict = await page.$$eval(".field.name", (fields) => fields.map((field) => field.value));

await page.selectOption("[aria-label=Language]", "ja");
await until(() => page.$("text=すべてレンダリング"), "the Japanese page");
seen.lang = await page.getAttribute("html", "lang");
seen.title = await page.title();
const expected = /^409 PUT \/api\/rows$/;
console.log(JSON.stringify({ ...seen, problems: problems.filter((text) => !expected.test(text)), outside }));
await browser.close();
await server.stop();
