// Chunks of stems as audio buffers, a bounded number of them: a hundred clips on ten tracks are gigabytes decoded.
import { WavError, WavSource } from "./wav";

const CHUNK_SECONDS = 4;
const MAX_BYTES = 192 * 1024 * 1024;
/** A chunk that could not be had is asked for again after so long, not at every step of the player. */
const RETRY_AFTER_MS = 1000;

export class BufferCache {
  readonly #sources = new Map<string, WavSource>();
  readonly #chunks = new Map<string, { buffer: Promise<AudioBuffer | null>; ready: AudioBuffer | null; bytes: number }>();
  readonly #failed = new Map<string, number>();
  #bytes = 0;

  source(url: string): WavSource {
    let source = this.#sources.get(url);
    if (!source) this.#sources.set(url, (source = new WavSource(url)));
    return source;
  }

  /** Chunks begin at multiples of this many samples of the file. */
  chunkSamples(sampleRateHz: number): number {
    return CHUNK_SECONDS * sampleRateHz;
  }

  /** A chunk if it is here already. */
  peek(url: string, index: number): AudioBuffer | null {
    return this.#chunks.get(`${url}#${index}`)?.ready ?? null;
  }

  /** A chunk; null past the end of the file, or where it cannot be read. */
  async chunk(url: string, index: number, sampleRateHz: number): Promise<AudioBuffer | null> {
    const key = `${url}#${index}`;
    const held = this.#chunks.get(key);
    if (held) {
      this.#chunks.delete(key); // the latest used goes to the end
      this.#chunks.set(key, held);
      return held.buffer;
    }
    if (performance.now() < (this.#failed.get(key) ?? 0)) throw new WavError("not to be had just now");
    const entry = { buffer: this.#read(url, index, sampleRateHz), ready: null as AudioBuffer | null, bytes: 0 };
    this.#chunks.set(key, entry);
    try {
      const buffer = await entry.buffer;
      entry.ready = buffer;
      entry.bytes = buffer ? buffer.length * buffer.numberOfChannels * 4 : 0;
      this.#bytes += entry.bytes;
      this.#evict();
      return buffer;
    } catch (error) {
      this.#chunks.delete(key);
      this.#failed.set(key, performance.now() + RETRY_AFTER_MS);
      throw error;
    }
  }

  async #read(url: string, index: number, sampleRateHz: number): Promise<AudioBuffer | null> {
    const source = this.source(url);
    const size = this.chunkSamples(sampleRateHz);
    const channels = await source.read(index * size, size);
    const length = channels[0]?.length ?? 0;
    if (length === 0) return null;
    const layout = await source.layout();
    const buffer = new AudioBuffer({ length, numberOfChannels: Math.min(2, channels.length), sampleRate: layout.sampleRateHz });
    for (let channel = 0; channel < buffer.numberOfChannels; channel++)
      buffer.copyToChannel(channels[channel] as Float32Array<ArrayBuffer>, channel);
    return buffer;
  }

  #evict(): void {
    for (const [key, entry] of this.#chunks) {
      if (this.#bytes <= MAX_BYTES) return;
      if (!entry.ready) continue;
      this.#bytes -= entry.bytes;
      this.#chunks.delete(key);
    }
  }
}
