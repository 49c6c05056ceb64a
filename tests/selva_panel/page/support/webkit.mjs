// The engine of Safari, as WebKitGTK: MiniBrowser in automation mode, driven by the W3C WebDriver protocol over plain HTTP.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PATIENCE_MS = 60000;

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** A screen without a screen: WebKitGTK opens windows only on a display. */
async function startDisplay(width, height) {
  const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", `${width}x${height}x24`, "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const number = await new Promise((resolve, reject) => {
    server.stdio[3].once("data", (bytes) => resolve(String(bytes).trim()));
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
  });
  return { server, name: `:${number}` };
}

async function startDriver(environment) {
  const port = await freePort();
  const driver = spawn("WebKitWebDriver", ["--host=127.0.0.1", `--port=${port}`], { stdio: "ignore", env: environment });
  const address = `http://127.0.0.1:${port}`;
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    const ready = await fetch(`${address}/status`).then((answer) => answer.ok).catch(() => false);
    if (ready) return { driver, address };
    if (Date.now() > giveUp || driver.exitCode !== null) throw new Error("WebKitWebDriver does not answer");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function command(address, method, path, body) {
  const answer = await fetch(`${address}${path}`, {
    method, signal: AbortSignal.timeout(PATIENCE_MS), ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${value?.error}: ${value?.message}`);
  return value;
}

const ended = (child) => (child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once("exit", resolve)));

const WATCH = `(() => {
  globalThis.problems = [];
  addEventListener("error", (event) => globalThis.problems.push(String(event.error?.stack ?? event.message)));
  addEventListener("unhandledrejection", (event) => globalThis.problems.push(String(event.reason?.stack ?? event.reason)));
  addEventListener("securitypolicyviolation", (event) => globalThis.problems.push(event.violatedDirective + ": " + event.blockedURI));
})()`;

/**
 * Opens a page; `problems` in it gathers what its scripts throw. There is no `screenshot`: WebKitGTK 2.50 without a GPU now and then
 * waits for ever for the frame that it would show.
 */
export async function openWebkit(url, { width = 1440, height = 900 } = {}) {
  const home = mkdtempSync(join(tmpdir(), "selva-webkit-"));
  const display = await startDisplay(width, height + 80);
  const environment = {
    ...process.env, DISPLAY: display.name, HOME: home, XDG_CACHE_HOME: join(home, "cache"), XDG_DATA_HOME: join(home, "data"), XDG_CONFIG_HOME: join(home, "config"),
    GDK_BACKEND: "x11", LIBGL_ALWAYS_SOFTWARE: "1", WEBKIT_DISABLE_DMABUF_RENDERER: "1", NO_AT_BRIDGE: "1", GTK_A11Y: "none",
  };
  const { driver, address } = await startDriver(environment);
  const options = { binary: process.env.SELVA_MINIBROWSER, args: ["--automation"] };
  const { sessionId, capabilities } = await command(address, "POST", "/session", { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } } });
  const send = (method, path, body) => command(address, method, `/session/${sessionId}${path}`, body);
  await send("POST", "/window/rect", { x: 0, y: 0, width, height });
  await send("POST", "/url", { url });
  const evaluate = (expression) =>
    send("POST", "/execute/async", {
      script: `const done = arguments[arguments.length - 1]; Promise.resolve().then(async () => (${expression})).then((value) => done({ value }), (error) => done({ error: String(error.stack ?? error) }));`, args: [],
    }).then(({ value, error }) => {
      if (error) throw new Error(error);
      return value;
    });
  await evaluate(WATCH);
  const act = (actions) => send("POST", "/actions", { actions });
  return {
    version: capabilities.browserVersion, evaluate, open: (address) => send("POST", "/url", { url: address }).then(() => evaluate(WATCH)),
    keys: (...values) => act([{ type: "key", id: "keys", actions: values.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]) }]),
    async click(selector) {
      const box = await evaluate(`(() => { const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect(); return { x: box.x + box.width / 2, y: box.y + box.height / 2 }; })()`);
      const move = { type: "pointerMove", origin: "viewport", x: Math.round(box.x), y: Math.round(box.y) };
      await act([{ type: "pointer", id: "mouse", actions: [move, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 }] }]);
    },
    async close() {
      await send("DELETE", "").catch(() => undefined);
      driver.kill();
      display.server.kill();
      await Promise.all([ended(driver), ended(display.server)]);
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
