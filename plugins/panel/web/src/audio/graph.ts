// The mixer: voices into rows, rows into the mix, the mix or the production sound to the loudspeakers.
import type { Row } from "../model/contract";
import { audibleRows, decibels } from "./mix";

const SMOOTH_S = 0.008;

export class Mixer {
  readonly mix: GainNode;
  readonly production: GainNode;
  readonly output: GainNode;
  readonly meters: [AnalyserNode, AnalyserNode] | null;
  readonly #rows = new Map<string, GainNode>();

  constructor(readonly context: BaseAudioContext, { metered = true } = {}) {
    this.mix = new GainNode(context);
    this.production = new GainNode(context, { gain: 0 });
    this.output = new GainNode(context, { channelCount: 2, channelCountMode: "explicit" });
    this.mix.connect(this.output);
    this.production.connect(this.output);
    this.output.connect(context.destination);
    this.meters = metered ? this.#meters() : null;
  }

  #meters(): [AnalyserNode, AnalyserNode] {
    const splitter = new ChannelSplitterNode(this.context, { numberOfOutputs: 2 });
    this.output.connect(splitter);
    const meter = (channel: number): AnalyserNode => {
      const node = new AnalyserNode(this.context, { fftSize: 1024, smoothingTimeConstant: 0 });
      splitter.connect(node, channel);
      return node;
    };
    return [meter(0), meter(1)];
  }

  row(id: string): GainNode {
    let node = this.#rows.get(id);
    if (!node) {
      node = new GainNode(this.context);
      node.connect(this.mix);
      this.#rows.set(id, node);
    }
    return node;
  }

  /** Gains of rows as they stand, without a click: where a context runs they move within some milliseconds. */
  setRows(rows: readonly Row[]): void {
    const audible = audibleRows(rows);
    const running = this.context.state === "running" && !(this.context instanceof OfflineAudioContext);
    for (const row of rows) {
      const gain = this.row(row.id).gain;
      const value = audible.has(row.id) ? decibels(row.gain_db) : 0;
      if (running) gain.setTargetAtTime(value, this.context.currentTime, SMOOTH_S);
      else gain.value = value;
    }
  }

  /** A/B: the mix alone, or the cut's own sound alone. */
  hear(what: "mix" | "production"): void {
    const now = this.context.currentTime;
    this.mix.gain.setTargetAtTime(what === "mix" ? 1 : 0, now, SMOOTH_S);
    this.production.gain.setTargetAtTime(what === "production" ? 1 : 0, now, SMOOTH_S);
  }

  /** Peaks of the last 1,024 samples, left and right, full scale 1. */
  levels(): [number, number] {
    if (!this.meters) return [0, 0];
    const scratch = new Float32Array(1024);
    return this.meters.map((meter) => {
      meter.getFloatTimeDomainData(scratch);
      let peak = 0;
      for (const sample of scratch) peak = Math.max(peak, Math.abs(sample));
      return peak;
    }) as [number, number];
  }
}
