// WAV files read by range, so that an hour of production sound is never held whole, and samples arrive as they lie in the file:
// decodeAudioData would resample them to the context's rate and, in some browsers, dither.

export interface WavLayout {
  sampleRateHz: number;
  channels: number;
  /** 16, 24 or 32; 32 may be floating point. */
  bits: number;
  isFloat: boolean;
  dataOffset: number;
  frames: number;
}

const fourCc = (view: DataView, at: number): string =>
  String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));

export class WavError extends Error {
  /** Where a server refused: its status. */
  constructor(message: string, readonly status = 0) {
    super(message);
  }
}

/**
 * Reads the chunks of a RIFF or RF64 file (EBU Tech 3306) as far as `head` goes. Gives the byte from which more is needed where
 * `data` has not begun: stems carry their provenance in chunks that may come first.
 */
export function parseWav(head: ArrayBuffer): WavLayout | { needFrom: number } {
  const view = new DataView(head);
  if (head.byteLength < 12 || !["RIFF", "RF64"].includes(fourCc(view, 0)) || fourCc(view, 8) !== "WAVE")
    throw new WavError("no WAV file");
  let at = 12;
  let longData = -1;
  let format: Pick<WavLayout, "sampleRateHz" | "channels" | "bits" | "isFloat"> | null = null;
  while (at + 8 <= head.byteLength) {
    const name = fourCc(view, at);
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (name === "data" && format) {
      const bytes = size === 0xffffffff && longData >= 0 ? longData : size;
      return { ...format, dataOffset: body, frames: Math.floor(bytes / (format.channels * (format.bits / 8))) };
    }
    if (body + Math.min(size, 40) > head.byteLength) break;
    if (name === "ds64") longData = Number(view.getBigUint64(body + 8, true));
    if (name === "fmt ") {
      const tag = view.getUint16(body, true);
      const kind = tag === 0xfffe ? view.getUint16(body + 24, true) : tag;
      const bits = view.getUint16(body + 14, true);
      if (!(kind === 1 && [16, 24, 32].includes(bits)) && !(kind === 3 && bits === 32))
        throw new WavError(`samples of kind ${kind} with ${bits} bits`);
      format = { channels: view.getUint16(body + 2, true), sampleRateHz: view.getUint32(body + 4, true), bits, isFloat: kind === 3 };
    }
    at = body + size + (size % 2);
  }
  return { needFrom: at };
}

/** Interleaved samples to one array per channel, full scale 1. */
export function decodeSamples(bytes: ArrayBuffer, layout: WavLayout): Float32Array<ArrayBuffer>[] {
  const { channels, bits, isFloat } = layout;
  const width = bits / 8;
  const count = Math.floor(bytes.byteLength / (width * channels));
  const view = new DataView(bytes);
  const out = Array.from({ length: channels }, () => new Float32Array(count));
  let at = 0;
  for (let frame = 0; frame < count; frame++) {
    for (const channel of out) {
      if (isFloat) channel[frame] = view.getFloat32(at, true);
      else if (bits === 16) channel[frame] = view.getInt16(at, true) / 32768;
      else if (bits === 24) channel[frame] = ((view.getInt16(at + 1, true) << 8) | view.getUint8(at)) / 8388608;
      else channel[frame] = view.getInt32(at, true) / 2147483648;
      at += width;
    }
  }
  return out;
}

async function fetchRange(url: string, from: number, to: number): Promise<ArrayBuffer> {
  const answer = await fetch(url, { headers: { range: `bytes=${from}-${to - 1}` } });
  if (!answer.ok) throw new WavError(`${answer.status}`, answer.status);
  const bytes = await answer.arrayBuffer();
  return answer.status === 200 ? bytes.slice(from, to) : bytes;
}

const HEAD_BYTES = 32768;
const MAX_HEAD_BYTES = 16 * 1024 * 1024;

/** One WAV file behind a URL. */
export class WavSource {
  #layout: Promise<WavLayout> | null = null;

  constructor(readonly url: string) {}

  layout(): Promise<WavLayout> {
    this.#layout ??= this.#open().catch((error: unknown) => {
      this.#layout = null; // a server that did not answer may do so the next time
      throw error;
    });
    return this.#layout;
  }

  async #open(): Promise<WavLayout> {
    let have = HEAD_BYTES;
    for (;;) {
      const found = parseWav(await fetchRange(this.url, 0, have));
      if (!("needFrom" in found)) return found;
      have = found.needFrom + HEAD_BYTES;
      if (have > MAX_HEAD_BYTES) throw new WavError("no samples in the first 16 MiB");
    }
  }

  /** Samples `from` to `from + count` of the file, less where it ends. */
  async read(from: number, count: number): Promise<Float32Array<ArrayBuffer>[]> {
    const layout = await this.layout();
    const stride = layout.channels * (layout.bits / 8);
    const end = Math.min(from + count, layout.frames);
    if (end <= from) return Array.from({ length: layout.channels }, () => new Float32Array(0));
    return decodeSamples(await fetchRange(this.url, layout.dataOffset + from * stride, layout.dataOffset + end * stride), layout);
  }
}
