// Pictures and waveforms that lanes are painted from: fetched when they come into view, few at a time, a bounded number held.
import { type Signal, batch, signal } from "@preact/signals";
import { api, stripUrl } from "../model/api";

/** Arrivals of so many milliseconds are shown together: a tile of several clips is then painted once for all of them. */
const SHOW_AFTER_MS = 80;

/**
 * What is held under each key is a signal of its own: what paints with it paints again when it arrives, and nothing else does. Were
 * there one signal for all, every arrival would paint every tile on the screen, which cost frames while scrolling.
 */
class Fetcher<T> {
  readonly #held = new Map<string, Signal<T | null>>();
  readonly #waiting: { key: string; load: () => Promise<T> }[] = [];
  #running = 0;
  #hasDropped = false;
  #arrived: [string, T][] = [];
  /** Counts the times at which everything on the screen asks once more, because some of it was dropped from the queue. */
  readonly #rounds = signal(0);

  constructor(readonly atOnce: number, readonly most: number, readonly release: (value: T) => void = () => undefined) {}

  get(key: string, load: () => Promise<T>): T | null {
    void this.#rounds.value;
    let held = this.#held.get(key);
    if (held) this.#held.delete(key);
    else {
      held = signal(null);
      this.#waiting.push({ key, load });
    }
    this.#held.set(key, held);
    if (this.#waiting.length > this.most) {
      this.#held.delete((this.#waiting.shift() as { key: string }).key);
      this.#hasDropped = true;
    }
    this.#next();
    return held.value;
  }

  /** What is here already; nothing is fetched for it. */
  held(key: string): T | null {
    return this.#held.get(key)?.value ?? null;
  }

  #next(): void {
    // The latest asked for is what is on the screen now.
    while (this.#running < this.atOnce && this.#waiting.length > 0) {
      const { key, load } = this.#waiting.pop() as { key: string; load: () => Promise<T> };
      this.#running++;
      void load()
        .then((value) => this.#keep(key, value))
        .catch(() => undefined) // what failed stays empty: asking again and again would not help
        .finally(() => {
          this.#running--;
          this.#next();
        });
    }
    if (this.#running === 0 && this.#hasDropped) {
      this.#hasDropped = false;
      this.#rounds.value++;
    }
  }

  #keep(key: string, value: T): void {
    if (this.#arrived.push([key, value]) === 1) setTimeout(() => this.#show(), SHOW_AFTER_MS);
  }

  #show(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    batch(() => {
      for (const [key, value] of arrived) {
        const held = this.#held.get(key) ?? signal<T | null>(null);
        this.#held.set(key, held);
        held.value = value;
      }
    });
    this.#evict();
  }

  #evict(): void {
    for (const [key, held] of this.#held) {
      if (this.#held.size <= this.most) return;
      const value = held.peek();
      if (value) this.release(value);
      this.#held.delete(key);
    }
  }
}

export interface Strip {
  image: ImageBitmap;
  count: number;
}

const strips = new Fetcher<Strip>(4, 600, ({ image }) => image.close());
const waves = new Fetcher<{ min: number[]; max: number[] }>(4, 1500);

const COUNTS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48];
const THUMBNAIL_WIDTH = 144;
/** Width over height of each clip's picture, as its first strip shows it. */
const shapes = new Map<string, number>();

/** The count of thumbnails that each clip was last shown with: shown until a better one is there. */
const shownCounts = new Map<string, number>();

/** Thumbnails of a clip for a box on the screen, enough to fill it in their own shape; null until some are there. */
export function stripOf(clipId: string, width: number, height: number): Strip | null {
  const wanted = width / (height * (shapes.get(clipId) ?? 16 / 9));
  const count = COUNTS.find((one) => one >= wanted * 0.8) ?? 48;
  const found = strips.get(`${clipId}/${count}`, async () => {
    const answer = await fetch(stripUrl(clipId, THUMBNAIL_WIDTH, count));
    if (!answer.ok) throw new Error(String(answer.status));
    const image = await createImageBitmap(await answer.blob());
    shapes.set(clipId, image.width / count / image.height);
    return { image, count };
  });
  if (found) shownCounts.set(clipId, count);
  return found ?? strips.held(`${clipId}/${shownCounts.get(clipId)}`);
}

/** Peaks of a stem, about one a pixel in steps of two; null until they are there. */
export function waveOf(stemId: string, pixels: number): { min: number[]; max: number[] } | null {
  const count = Math.min(4096, 2 ** Math.ceil(Math.log2(Math.max(32, pixels))));
  return waves.get(`${stemId}/${count}`, () => api.peaks(stemId, count));
}
