// Firefox of the system, driven by WebDriver BiDi over its own socket: playwright-core sends it commands that the release of
// Debian does not know.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS = 60000;

/** The client's half of a WebSocket (RFC 6455), as much as JSON messages take. */
async function connect(url, onMessage) {
  const { hostname, port, pathname } = new URL(url);
  const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": randomBytes(16).toString("base64") };
  const [socket, head] = await new Promise((resolve, reject) => {
    request({ hostname, port, path: pathname, headers }).on("upgrade", (_answer, upgraded, first) => resolve([upgraded, first])).on("error", reject).end();
  });
  let held = head;
  let message = [];
  const read = (bytes) => {
    held = Buffer.concat([held, bytes]);
    for (;;) {
      if (held.length < 2) return;
      const short = held[1] & 127;
      const start = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (held.length < start) return;
      const length = short === 126 ? held.readUInt16BE(2) : short === 127 ? Number(held.readBigUInt64BE(2)) : short;
      if (held.length < start + length) return;
      const [last, opcode] = [held[0] & 128, held[0] & 15];
      if (opcode < 3) message.push(held.subarray(start, start + length));
      held = held.subarray(start + length);
      if (opcode < 3 && last) {
        onMessage(JSON.parse(Buffer.concat(message).toString()));
        message = [];
      }
    }
  };
  socket.on("data", read);
  socket.on("error", () => undefined); // the browser closes first at the end
  read(Buffer.alloc(0));
  return {
    send(value) {
      const body = Buffer.from(JSON.stringify(value));
      const head = Buffer.alloc(body.length < 126 ? 6 : body.length < 65536 ? 8 : 14);
      const mask = randomBytes(4);
      mask.copy(head, head.length - 4);
      for (let at = 0; at < body.length; at++) body[at] ^= mask[at % 4];
      head[0] = 0x81;
      head[1] = 0x80 | (body.length < 126 ? body.length : body.length < 65536 ? 126 : 127);
      if (head.length === 8) head.writeUInt16BE(body.length, 2);
      if (head.length === 14) head.writeBigUInt64BE(BigInt(body.length), 2);
      socket.write(Buffer.concat([head, body]));
    },
    close: () => socket.destroy(),
  };
}

function launch(profile) {
  writeFileSync(
    join(profile, "user.js"),
    ["media.autoplay.default|0", "media.autoplay.blocking_policy|0", "browser.shell.checkDefaultBrowser|false", "app.update.enabled|false",
      "datareporting.policy.dataSubmissionEnabled|false", "toolkit.telemetry.enabled|false", 'intl.accept_languages|"en-GB"', 'intl.locale.requested|"en-GB"',
      "network.captive-portal-service.enabled|false", "network.connectivity-service.enabled|false"]
      .map((line) => line.split("|")).map(([name, value]) => `user_pref("${name}", ${value});`).join("\n"),
  );
  const process_ = spawn(process.env.SELVA_FIREFOX || "firefox-esr", ["--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: "1" },
  });
  const address = new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`Firefox does not listen: ${text.slice(-500)}`)), START_MS);
    process_.stderr.on("data", (bytes) => {
      text += bytes;
      const found = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(text);
      if (found) resolve(found[1]);
      if (found) clearTimeout(timer);
    });
    process_.on("exit", (code) => reject(new Error(`Firefox ended with ${code}: ${text.slice(-500)}`)));
  });
  return { process_, address };
}

/** Opens a page; gathers errors of its console and requests that leave its server. */
export async function openFirefox(url, { width = 1440, height = 900 } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "selva-firefox-"));
  const { process_, address } = launch(profile);
  const [problems, outside, waiting] = [[], [], new Map()];
  let count = 0;
  const socket = await connect(`${await address}/session`, (message) => {
    const { id, type, method, params, result } = message;
    if (type === "success") waiting.get(id)?.resolve(result);
    else if (type === "error") waiting.get(id)?.reject(new Error(`${message.error}: ${message.message}`));
    else if (method === "log.entryAdded" && params.level === "error") problems.push(params.text);
    else if (method === "network.beforeRequestSent" && !params.request.url.startsWith(new URL(url).origin) && !/^(data|blob|about):/.test(params.request.url)) outside.push(params.request.url);
  });
  const send = (method, params) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      socket.send({ id: count, method, params });
    });
  await send("session.new", { capabilities: {} });
  await send("session.subscribe", { events: ["log.entryAdded", "network.beforeRequestSent"] });
  const { contexts } = await send("browsingContext.getTree", {});
  const context = contexts[0].context;
  await send("browsingContext.setViewport", { context, viewport: { width, height } });
  await send("browsingContext.navigate", { context, url, wait: "complete" });
  const evaluate = async (expression) => {
    const done = await send("script.evaluate", { expression: `(async () => JSON.stringify(await (${expression})))()`, target: { context }, awaitPromise: true });
    if (done.type === "exception") throw new Error(done.exceptionDetails.text);
    return done.result.type === "undefined" ? undefined : JSON.parse(done.result.value);
  };
  const act = (actions) => send("input.performActions", { context, actions });
  return {
    evaluate, problems, outside,
    /** Characters, or keys by their WebDriver code points. */
    keys: (...values) => act([{ type: "key", id: "keys", actions: values.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]) }]),
    async click(selector) {
      const box = await evaluate(`(() => { const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect(); return { x: box.x + box.width / 2, y: box.y + box.height / 2 }; })()`);
      const move = { type: "pointerMove", x: Math.round(box.x), y: Math.round(box.y) };
      await act([{ type: "pointer", id: "mouse", actions: [move, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 }] }]);
    },
    screenshot: async () => Buffer.from((await send("browsingContext.captureScreenshot", { context })).data, "base64"),
    async close() {
      process_.removeAllListeners("exit");
      const ended = new Promise((resolve) => process_.on("exit", resolve));
      await send("browser.close", {}).catch(() => process_.kill());
      await ended;
      socket.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
