// A server that keeps the contract of docs/reference/panel-api.md without a daemon: sessions of any size, jobs that take as many steps as a test asks.
import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { stripPng, strokes, wav24 } from "./made_media.mjs";
import { SAMPLE_RATE, makeEvidence, makeSession, makeStem } from "./made_session.mjs";
import { acceptSocket } from "./socket.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
const STATIC = join(ROOT, "plugins/panel/selva_panel/static");
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", json: "application/json", svg: "image/svg+xml", txt: "text/plain" };

export class MockServer {
  constructor(options = {}) {
    this.options = { stepMs: 40, ...options };
    this.state = makeSession(options);
    this.requests = [];
    this.sockets = new Set();
    this.strips = new Map();
    this.timers = new Set();
    this.server = createServer((request, response) => this.#handle(request, response));
    this.server.on("upgrade", (request, socket) => {
      if (this.refusesSockets) return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      const accepted = acceptSocket(request, socket);
      this.sockets.add(accepted);
      socket.on("close", () => this.sockets.delete(accepted));
    });
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  stop() {
    for (const timer of this.timers) clearTimeout(timer);
    for (const socket of this.sockets) socket.close();
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  /** Changes the state and tells every page. */
  patch(changes) {
    Object.assign(this.state, changes);
    for (const socket of this.sockets) socket.send({ type: "patch", revision: this.state.revision, changes });
  }

  #later(ms, work) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
  }

  #handle(request, response) {
    const url = new URL(request.url, this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    response.setHeader("content-security-policy", POLICY);
    const chunks = [];
    request.on("data", (bytes) => chunks.push(bytes));
    request.on("end", () => {
      const body = chunks.length ? JSON.parse(Buffer.concat(chunks)) : undefined;
      try {
        this.#route(request, response, url, body);
      } catch (error) {
        this.#json(response, 500, { error: { code: "mock", message: String(error.stack), remedy: "" } });
      }
    });
  }

  #json(response, status, value) {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  }

  #bytes(request, response, bytes, type) {
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "");
    if (!range) {
      response.writeHead(200, { "content-type": type, "content-length": bytes.length, "accept-ranges": "bytes" });
      return response.end(bytes);
    }
    const from = Number(range[1]);
    const to = Math.min(bytes.length - 1, range[2] ? Number(range[2]) : bytes.length - 1);
    response.writeHead(206, { "content-type": type, "content-range": `bytes ${from}-${to}/${bytes.length}`, "content-length": to - from + 1, "accept-ranges": "bytes" });
    response.end(bytes.subarray(from, to + 1));
  }

  #route(request, response, url, body) {
    const path = url.pathname;
    const key = `${request.method} ${path.replace(/^\/api\/(stems|clips|media|jobs|models|download)\/[^/]+/, "/api/$1/ID")}`;
    const id = decodeURIComponent(path.split("/")[3] ?? "");
    const ok = (value = {}) => this.#json(response, 200, value);
    switch (key) {
      case "GET /api/state": return ok(this.state);
      case "PUT /api/rows": return this.#putRows(response, body);
      case "POST /api/look": this.#look(); return ok({ job_id: "look" });
      case "POST /api/render": return ok({ job_ids: this.#render(body) });
      case "POST /api/redo": this.#redo(body); return ok({ job_id: "redo" });
      case "DELETE /api/jobs": this.patch({ jobs: this.state.jobs.map((job) => (job.mine && job.state !== "done" ? { ...job, state: "cancelled" } : job)) }); return ok();
      case "DELETE /api/jobs/ID": this.patch({ jobs: this.state.jobs.map((job) => (job.id === id ? { ...job, state: "cancelled" } : job)) }); return ok();
      case "PUT /api/stems/ID": return this.#putStem(response, id, body);
      case "POST /api/yield": case "PUT /api/model": case "POST /api/models/ID/pull": return ok();
      case "GET /api/media/ID/status": return ok({ state: "ready", done: 1, mime: "video/mp4", proxy: false, offset: [0, 1] });
      case "GET /api/media/ID": return this.#bytes(request, response, readFileSync(resolve(ROOT, "examples", this.options.files?.[id] ?? "street.mp4")), "video/mp4");
      case "GET /api/clips/ID/strip": return this.#strip(request, response, id, url);
      case "GET /api/stems/ID/audio": return this.#bytes(request, response, this.audio(id), "audio/wav");
      case "GET /api/stems/ID/peaks": return ok(this.#peaks(Number(url.searchParams.get("count"))));
      case "GET /api/production/audio": return this.#bytes(request, response, this.production(), "audio/wav");
      case "POST /api/place/plan": return ok(this.#plan());
      case "POST /api/place": this.patch({ placed: { target: "reaper", label: "REAPER", report: this.#plan().lines.map((line) => ({ ...line, text: "placed" })) } }); return ok({ report: [] });
      case "POST /api/place/remove": this.patch({ placed: null }); return ok();
      case "POST /api/save": this.patch({ placed: { target: "otio", label: "OpenTimelineIO (.otio)", report: [{ stem_id: null, track: "", start_timecode: "", text: "written: /cuts/cut with sound.otio" }] } }); return ok({ report: [], download_id: "d1" });
      case "POST /api/export": return ok({ download_id: "d1" });
      case "POST /api/notes/import": this.patch({ notes: body.notes }); return ok();
      case "GET /api/download/ID": response.setHeader("content-disposition", "attachment; filename=cut.otio"); return this.#bytes(request, response, Buffer.from("{}"), "application/json");
      default: return this.#static(response, path);
    }
  }

  #static(response, path) {
    const file = join(STATIC, normalize(path === "/" ? "/index.html" : path));
    if (!file.startsWith(STATIC) || !statSync(file, { throwIfNoEntry: false })?.isFile()) return this.#json(response, 404, { error: { code: "not_found", message: path, remedy: "" } });
    response.writeHead(200, { "content-type": TYPES[file.split(".").pop()] });
    createReadStream(file).pipe(response);
  }

  #putRows(response, { revision, rows }) {
    if (revision !== this.state.revision) return this.#json(response, 409, { error: { code: "conflict", message: "changed", remedy: "" }, state: this.state });
    this.state.revision += 1;
    this.patch({ rows });
    return this.#json(response, 200, { revision: this.state.revision });
  }

  #putStem(response, id, { choice, active }) {
    const stem = this.state.stems.find((one) => one.id === id);
    const same = (one) => one.row_id === stem.row_id && one.clip_id === stem.clip_id;
    this.patch({
      stems: this.state.stems.map((one) => ({
        ...one, ...(one.id === id && choice ? { choice } : {}), ...(active && same(one) ? { active: one.id === id } : {}),
      })),
    });
    this.#json(response, 200, {});
  }

  #look() {
    const { rows, clips } = this.state;
    this.patch({ evidence: rows.flatMap((row, r) => (row.prompt ? clips.map((clip, c) => makeEvidence(row, clip, c, r)) : [])) });
  }

  #render({ row_ids, clip_ids, more_like }) {
    const { rows, clips, stems, evidence, cut } = this.state;
    const jobs = [];
    const made = [];
    for (const row of rows.filter((one) => one.prompt && (!row_ids || row_ids.includes(one.id))))
      for (const clip of clips.filter((one) => !clip_ids || clip_ids.includes(one.id))) {
        const held = stems.filter((one) => one.row_id === row.id && one.clip_id === clip.id);
        const seen = evidence.find((one) => one.row_id === row.id && one.clip_id === clip.id)?.seen ?? true;
        if (!(row.overrides[clip.id]?.include ?? seen) || (held.length && !more_like)) continue;
        made.push(makeStem(row, clip, held.length + 1, cut.rate, held.length === 0));
        jobs.push({ id: `j${row.id}${clip.id}${held.length}`, row_ids: [row.id], clip_ids: [clip.id], state: "running", stage: "picture", done: 0, seconds_left: 4, mine: true, message: null });
      }
    this.patch({ jobs: [...this.state.jobs, ...jobs] });
    jobs.forEach((job, index) => this.#advance(job, made[index], 0.25));
    return jobs.map((job) => job.id);
  }

  #advance(job, stem, done) {
    this.#later(this.options.stepMs, () => {
      if (this.state.jobs.find((one) => one.id === job.id)?.state === "cancelled") return;
      const finished = done >= 1;
      const next = { ...job, done, stage: "sampling", seconds_left: finished ? 0 : 4 * (1 - done), state: finished ? "done" : "running" };
      const jobs = this.state.jobs.map((one) => (one.id === job.id ? next : one));
      if (finished) this.patch({ jobs, stems: [...this.state.stems, stem] });
      else {
        this.state.jobs = jobs;
        for (const socket of this.sockets) socket.send({ type: "job", job: next });
        this.#advance(next, stem, done + 0.25);
      }
    });
  }

  #redo({ stem_id }) {
    const old = this.state.stems.find((one) => one.id === stem_id);
    const take = this.state.stems.filter((one) => one.row_id === old.row_id && one.clip_id === old.clip_id).length + 1;
    const stem = { ...old, id: `${old.id}-r${take}`, take, redone_from: old.id, active: true };
    this.patch({ stems: [...this.state.stems.map((one) => (one.row_id === old.row_id && one.clip_id === old.clip_id ? { ...one, active: false } : one)), stem] });
  }

  #plan() {
    return {
      plan_id: "p1",
      lines: this.state.stems.filter((stem) => stem.active).map((stem, index) => ({
        stem_id: stem.id, track: this.state.rows.find((row) => row.id === stem.row_id)?.name ?? "", start_timecode: "01:00:00:00", seconds: stem.length_samples / SAMPLE_RATE,
        conflict: index === 1 ? "An item of yours is there; the stem goes to a track of its own." : null,
      })),
    };
  }

  #strip(request, response, id, url) {
    const count = Number(url.searchParams.get("count"));
    const width = Number(url.searchParams.get("width")) * count;
    const key = `${this.state.clips.findIndex((clip) => clip.id === id) % 8}/${width}/${count}`;
    if (!this.strips.has(key)) this.strips.set(key, stripPng(width, Math.round((width / count) * 0.5625), count, Number(key[0])));
    this.#bytes(request, response, this.strips.get(key), "image/png");
  }

  /** A stem's file: strokes whose pitch is the take's. */
  audio(id) {
    this.files ??= new Map();
    const stem = this.state.stems.find((one) => one.id === id);
    const key = `${stem.take}/${stem.length_samples}`;
    if (!this.files.has(key)) this.files.set(key, wav24(stem.length_samples + 4800, SAMPLE_RATE, strokes(220 * stem.take, SAMPLE_RATE)));
    return this.files.get(key);
  }

  production() {
    this.productionBytes ??= wav24(Math.min(30 * SAMPLE_RATE, Math.round((this.state.cut.duration_frames / 25) * SAMPLE_RATE)), SAMPLE_RATE, (n) => 0.1 * Math.sin(n / 40));
    return this.productionBytes;
  }

  #peaks(count) {
    const max = Array.from({ length: count }, (_, index) => Math.round(110 * Math.exp(-((index / count) * 8 % 1) * 3)));
    return { min: max.map((value) => -value), max };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await new MockServer(JSON.parse(process.argv[2] ?? "{}")).start();
  console.log(server.url);
}
