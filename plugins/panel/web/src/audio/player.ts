// Plays the mix. The audio context is the clock: everything that is heard is started at a sample of it, and the picture follows.
import type { Evidence, Rational, Row, Stem } from "../model/contract";
import { productionUrl, stemUrl } from "../model/api";
import { BufferCache } from "./buffers";
import { Mixer } from "./graph";
import { type Segment, type Voice, panAt, panPoints, positionAt, voicesOf } from "./mix";

const LOOK_AHEAD_S = 1.2;
const FETCH_AHEAD_S = 8;
const START_DELAY_S = 0.08;
const START_PATIENCE_MS = 3000;
const SWITCH_FADE_S = 0.012;

export interface MixContent {
  stems: Stem[];
  rows: Row[];
  rate: Rational;
  evidenceOf: (stem: Stem) => Evidence | undefined;
  hasProduction: boolean;
  startFrame: number;
}

interface Playing {
  stemId: string;
  cell: string;
  source: AudioBufferSourceNode;
  fade: GainNode;
  until: number;
}

const cellOf = (stem: Stem): string => `${stem.row_id}\n${stem.clip_id}`;

export class Player {
  readonly cache = new BufferCache();
  context: AudioContext | null = null;
  mixer: Mixer | null = null;
  sampleRateHz = 48000;
  #content: MixContent | null = null;
  #voices: Voice[] = [];
  #segments: Segment[] = [];
  #loop: { from: number; to: number } | null = null;
  #playing: Playing[] = [];
  #scheduled = new Set<string>();
  #timer = 0;
  #position = 0;
  #generation = 0;
  #starting: Promise<boolean> | null = null;
  #listening: "mix" | "production" = "mix";
  /** The server mixes the cut's own sound when it is first asked for: not before somebody wants to hear it. */
  #playsProduction = false;
  running = false;

  /** The position that is heard now, in samples of the timeline, the output's latency taken off. */
  position(): number {
    const context = this.context;
    if (!this.running || !context) return this.#position;
    const latency = context.outputLatency || context.baseLatency || 0;
    return positionAt(this.#segments, Math.round((context.currentTime - latency) * this.sampleRateHz));
  }

  setContent(content: MixContent): void {
    this.#content = content;
    const rate = content.stems[0]?.sample_rate_hz;
    if (rate && rate !== this.sampleRateHz && !this.running) this.#changeSampleRate(rate);
    const rows = new Map(content.rows.map((row) => [row.id, row]));
    this.#voices = voicesOf(content.stems, rows, content.rate, this.sampleRateHz, content.startFrame);
    this.mixer?.setRows(content.rows);
    if (this.running) this.#schedule();
  }

  #changeSampleRate(rate: number): void {
    this.#position = Math.round((this.#position / this.sampleRateHz) * rate);
    this.sampleRateHz = rate;
    void this.context?.close();
    this.context = null;
    this.mixer = null;
  }

  /** Play within `loop` (samples of the timeline) again and again; null plays on. */
  setLoop(loop: { from: number; to: number } | null): void {
    this.#loop = loop;
    if (this.running) this.seek(this.position());
  }

  hear(what: "mix" | "production"): void {
    this.#listening = what;
    this.mixer?.hear(what);
    if (what === "production") this.#playsProduction = true; // from now on both run, so that the change is immediate
    if (this.running) this.#schedule();
  }

  /** Whether it plays now: without a sound output Firefox starts no clock, and never says so. */
  play(): Promise<boolean> {
    if (this.running) return Promise.resolve(true);
    this.#starting ??= this.#start().finally(() => (this.#starting = null));
    return this.#starting;
  }

  async #start(): Promise<boolean> {
    this.context ??= new AudioContext({ sampleRate: this.sampleRateHz, latencyHint: "interactive" });
    if (!this.mixer) {
      this.mixer = new Mixer(this.context);
      if (this.#content) this.mixer.setRows(this.#content.rows);
      this.mixer.hear(this.#listening);
    }
    await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, START_PATIENCE_MS))]);
    if (this.context.state !== "running") return false;
    await this.#warm(this.#position);
    this.running = true;
    this.#begin(this.#position);
    this.#timer = window.setInterval(() => this.#schedule(), 100);
    return true;
  }

  /** Has the first chunks here before the clock starts, at most half a second long. */
  async #warm(position: number): Promise<void> {
    const soon = position + this.sampleRateHz;
    const wanted = this.#voices
      .filter((voice) => voice.startSample < soon && voice.endSample > position)
      .map((voice) => this.#chunk(voice, Math.max(position, voice.startSample)));
    await Promise.race([Promise.allSettled(wanted), new Promise((resolve) => setTimeout(resolve, 500))]);
  }

  #chunk(voice: Voice, sample: number): Promise<AudioBuffer | null> {
    const size = this.cache.chunkSamples(this.sampleRateHz);
    const inFile = voice.stem.offset_samples + sample - voice.startSample;
    return this.cache.chunk(stemUrl(voice.stem.id), Math.floor(inFile / size), this.sampleRateHz);
  }

  pause(): void {
    if (!this.running) return;
    this.#position = this.position();
    this.running = false;
    clearInterval(this.#timer);
    this.#silence();
  }

  seek(sample: number): void {
    this.#position = Math.max(0, Math.round(sample));
    if (!this.running) return;
    this.#silence();
    this.#begin(this.#position);
  }

  #begin(position: number): void {
    const context = this.context as AudioContext;
    const start = Math.round((context.currentTime + START_DELAY_S) * this.sampleRateHz);
    const loop = this.#loop;
    const inside = loop && position >= loop.from && position < loop.to;
    this.#segments = [{ contextSample: start, from: position, to: inside ? loop.to : Number.MAX_SAFE_INTEGER }];
    this.#schedule();
  }

  #silence(): void {
    this.#generation++;
    this.#scheduled.clear();
    const now = this.context?.currentTime ?? 0;
    for (const { source, fade } of this.#playing) {
      fade.gain.setTargetAtTime(0, now, 0.004);
      source.stop(now + 0.03);
    }
    this.#playing = [];
  }

  #extendLoop(horizon: number): void {
    const loop = this.#loop;
    if (!loop || loop.to - loop.from < this.sampleRateHz / 20) return;
    for (;;) {
      const last = this.#segments[this.#segments.length - 1] as Segment;
      const end = last.contextSample + last.to - last.from;
      if (last.to !== loop.to || end >= horizon) break;
      this.#segments.push({ contextSample: end, from: loop.from, to: loop.to });
    }
    if (this.#segments.length > 40) this.#segments.splice(0, this.#segments.length - 40);
  }

  /** Starts what begins within the look-ahead, fetches what comes after, and exchanges takes that were switched. */
  #schedule(): void {
    if (!this.running || !this.context) return;
    const now = Math.round(this.context.currentTime * this.sampleRateHz);
    const horizon = now + LOOK_AHEAD_S * this.sampleRateHz;
    this.#extendLoop(horizon);
    this.#playing = this.#playing.filter((one) => one.until > now);
    for (const segment of this.#segments) {
      const end = segment.contextSample + (segment.to - segment.from);
      if (end <= now || segment.contextSample > horizon) continue;
      const from = segment.from + Math.max(0, now - segment.contextSample);
      const to = Math.min(segment.to, segment.from + horizon - segment.contextSample);
      for (const voice of this.#voices) {
        if (voice.startSample >= to) break;
        if (voice.endSample > from) this.#scheduleVoice(segment, voice, from, to);
      }
      if (this.#playsProduction && this.#content?.hasProduction) this.#scheduleProduction(segment, from, to);
    }
    this.#prefetch(now);
    this.#dropReplaced();
  }

  #prefetch(now: number): void {
    const position = positionAt(this.#segments, now);
    const until = position + FETCH_AHEAD_S * this.sampleRateHz;
    const size = this.cache.chunkSamples(this.sampleRateHz);
    for (const voice of this.#voices) {
      if (voice.startSample >= until) break;
      for (let at = Math.max(voice.startSample, position); at < Math.min(voice.endSample, until); at += size)
        void this.#chunk(voice, at).catch(() => null);
    }
  }

  #scheduleVoice(segment: Segment, voice: Voice, from: number, to: number): void {
    const begin = Math.max(from, voice.startSample);
    const end = Math.min(to, voice.endSample);
    const inFile = (sample: number): number => voice.stem.offset_samples + sample - voice.startSample;
    this.#eachChunk(stemUrl(voice.stem.id), inFile(begin), inFile(end), (index, first, last) => {
      const key = `${segment.contextSample}/${voice.stem.id}/${index}`;
      if (this.#scheduled.has(key)) return;
      this.#scheduled.add(key);
      const start = voice.startSample + first - voice.stem.offset_samples;
      const stop = Math.min(voice.endSample, segment.to, voice.startSample + last - voice.stem.offset_samples);
      const begins = Math.max(start, segment.from, voice.startSample);
      void this.#startChunk({ key, url: stemUrl(voice.stem.id), index, segment, begins, stop, fileStart: start, voice });
    });
  }

  #scheduleProduction(segment: Segment, from: number, to: number): void {
    const zero = Math.round((this.#content?.startFrame ?? 0) * this.sampleRateHz * this.#frameSeconds());
    this.#eachChunk(productionUrl, Math.max(0, from - zero), to - zero, (index, first, last) => {
      const key = `${segment.contextSample}/production/${index}`;
      if (this.#scheduled.has(key)) return;
      this.#scheduled.add(key);
      const start = zero + first;
      const begins = Math.max(start, segment.from);
      void this.#startChunk({
        key, url: productionUrl, index, segment, begins, stop: Math.min(segment.to, zero + last), fileStart: start, voice: null,
      });
    });
  }

  #frameSeconds(): number {
    const rate = this.#content?.rate ?? [25, 1];
    return rate[1] / rate[0];
  }

  #eachChunk(_url: string, from: number, to: number, visit: (index: number, first: number, last: number) => void): void {
    const size = this.cache.chunkSamples(this.sampleRateHz);
    for (let index = Math.floor(Math.max(0, from) / size); index * size < to; index++) visit(index, index * size, (index + 1) * size);
  }

  async #startChunk(what: {
    key: string; url: string; index: number; segment: Segment; begins: number; stop: number; fileStart: number; voice: Voice | null;
  }): Promise<void> {
    const generation = this.#generation;
    const ready = this.cache.peek(what.url, what.index);
    const buffer = ready ?? (await this.cache.chunk(what.url, what.index, this.sampleRateHz).catch(() => {
      this.#scheduled.delete(what.key); // tried again while it is due
      return null;
    }));
    const context = this.context;
    const mixer = this.mixer;
    if (!buffer || !context || !mixer || generation !== this.#generation) return;
    if (what.voice && !this.#isWanted(what.voice.stem)) return void this.#scheduled.delete(what.key);
    const { segment } = what;
    // A chunk that comes late, or a take that was switched to, begins a moment from now at the sample that is due then.
    const soonest = Math.round((context.currentTime + 0.012) * this.sampleRateHz);
    const due = segment.contextSample + what.begins - segment.from;
    const late = due < soonest;
    const at = Math.max(due, soonest);
    const begins = what.begins + (at - due);
    const length = Math.min(what.stop - begins, what.fileStart + buffer.length - begins);
    if (length <= 0) return;
    const source = new AudioBufferSourceNode(context, { buffer });
    const fade = new GainNode(context);
    const start = at / this.sampleRateHz;
    if (late) fade.gain.setValueAtTime(0, start).linearRampToValueAtTime(1, start + SWITCH_FADE_S);
    source.connect(fade);
    this.#connect(fade, what.voice, mixer, { begins, length, start });
    source.start(start, (begins - what.fileStart) / this.sampleRateHz, length / this.sampleRateHz);
    if (!what.voice) {
      this.#playing.push({ stemId: "", cell: "", source, fade, until: at + length });
      return;
    }
    const cell = cellOf(what.voice.stem);
    this.#playing.push({ stemId: what.voice.stem.id, cell, source, fade, until: at + length });
    this.#fadeOutOthers(cell, what.voice.stem.id, late ? start : context.currentTime);
  }

  #connect(
    from: AudioNode, voice: Voice | null, mixer: Mixer, span: { begins: number; length: number; start: number },
  ): void {
    if (!voice) return void from.connect(mixer.production);
    connectVoice(from, voice, mixer, this.#content?.evidenceOf(voice.stem), span);
  }

  #isWanted(stem: Stem): boolean {
    return this.#voices.some((voice) => voice.stem.id === stem.id);
  }

  /** The take that was heard gives way at the moment in which the other begins. */
  #fadeOutOthers(cell: string, stemId: string, at: number): void {
    for (const one of this.#playing)
      if (one.cell === cell && one.stemId !== stemId && one.until < Number.MAX_SAFE_INTEGER) this.#end(one, at);
    this.#playing = this.#playing.filter((one) => one.cell !== cell || one.stemId === stemId);
  }

  #end(one: Playing, at: number): void {
    one.fade.gain.setValueAtTime(1, at).linearRampToValueAtTime(0, at + SWITCH_FADE_S);
    one.source.stop(at + SWITCH_FADE_S + 0.01);
    for (const key of [...this.#scheduled]) if (key.includes(`/${one.stemId}/`)) this.#scheduled.delete(key);
  }

  /** Voices that no take replaces, as where all takes were rejected, end now. */
  #dropReplaced(): void {
    const cells = new Set(this.#voices.map((voice) => cellOf(voice.stem)));
    const now = (this.context as AudioContext).currentTime;
    for (const one of this.#playing) if (one.stemId && !cells.has(one.cell)) this.#end(one, now);
    this.#playing = this.#playing.filter((one) => !one.stemId || cells.has(one.cell));
  }

  /** The mix between two samples of the timeline through the same graph, for tests and for saving. */
  async renderMix(from: number, to: number): Promise<AudioBuffer> {
    const context = new OfflineAudioContext({ numberOfChannels: 2, length: to - from, sampleRate: this.sampleRateHz });
    const mixer = new Mixer(context, { metered: false });
    mixer.setRows(this.#content?.rows ?? []);
    for (const voice of this.#voices) {
      const begins = Math.max(from, voice.startSample);
      const length = Math.min(to, voice.endSample) - begins;
      if (length <= 0) continue;
      const source = this.cache.source(stemUrl(voice.stem.id));
      const channels = await source.read(voice.stem.offset_samples + begins - voice.startSample, length);
      if (!channels[0]?.length) continue;
      const buffer = new AudioBuffer({
        length: channels[0].length, numberOfChannels: Math.min(2, channels.length), sampleRate: this.sampleRateHz,
      });
      for (let channel = 0; channel < buffer.numberOfChannels; channel++)
        buffer.copyToChannel(channels[channel] as Float32Array<ArrayBuffer>, channel);
      const node = new AudioBufferSourceNode(context, { buffer });
      const start = (begins - from) / this.sampleRateHz;
      connectVoice(node, voice, mixer, this.#content?.evidenceOf(voice.stem), { begins, length, start });
      node.start(start);
    }
    return context.startRendering();
  }
}

/** From a voice to its row: panned by constant power where the row follows the picture, else as it is. */
function connectVoice(
  from: AudioNode, voice: Voice, mixer: Mixer, evidence: Evidence | undefined,
  span: { begins: number; length: number; start: number },
): void {
  const points = panPoints(voice.row, voice.stem, evidence);
  const row = mixer.row(voice.row.id);
  if (points.length === 0) return void from.connect(row);
  const panner = new StereoPannerNode(mixer.context);
  const first = span.begins - voice.startSample;
  panner.pan.setValueAtTime(panAt(points, first), span.start);
  for (const point of points)
    if (point.sample > first && point.sample < first + span.length)
      panner.pan.linearRampToValueAtTime(point.pan, span.start + (point.sample - first) / voice.stem.sample_rate_hz);
  from.connect(panner).connect(row);
}
