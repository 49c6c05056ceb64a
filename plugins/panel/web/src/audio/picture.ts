// The picture under the playhead. It follows the audio clock: small differences by its speed, large ones by a seek. Two video
// elements take turns, so that the picture after a cut is there before the cut comes.
import { mediaUrl } from "../model/api";
import type { Clip, MediaStatus, Rational } from "../model/contract";
import { framesToSeconds } from "../model/time";

const SEEK_OVER_S = 0.3;
const PREPARE_AHEAD_S = 2.5;

export interface PictureClock {
  clipAt: (frame: number) => Clip | null;
  rate: Rational;
  status: (media: string) => MediaStatus | null;
}

interface Deck {
  video: HTMLVideoElement;
  clip: string | null;
  media: string | null;
}

const start = (clip: Clip): number => (clip.source_start ? clip.source_start[0] / clip.source_start[1] : 0);

export class PictureFollower {
  readonly #decks: [Deck, Deck];
  #front = 0;
  #wanted = { seconds: 0, at: 0, playing: false };
  /** Seconds by which the picture was ahead of what is heard when its last frame was shown. */
  drift = 0;
  worstDrift = 0;

  constructor(readonly host: HTMLElement, readonly clock: () => PictureClock) {
    const deck = (): Deck => {
      const video = document.createElement("video");
      video.muted = true;
      video.playsInline = true;
      video.preload = "auto";
      video.disablePictureInPicture = true;
      video.tabIndex = -1;
      video.setAttribute("aria-hidden", "true");
      host.append(video);
      return { video, clip: null, media: null };
    };
    this.#decks = [deck(), deck()];
    for (const one of this.#decks) this.#watchFrames(one);
  }

  get video(): HTMLVideoElement {
    return (this.#decks[this.#front] as Deck).video;
  }

  #watchFrames(deck: Deck): void {
    if (!("requestVideoFrameCallback" in deck.video)) return;
    const seen = (_now: number, frame: VideoFrameCallbackMetadata): void => {
      if (this.#decks[this.#front] === deck && this.#wanted.playing && deck.video.playbackRate > 0 && !deck.video.seeking) {
        const due = this.#wanted.seconds + (frame.expectedDisplayTime - this.#wanted.at) / 1000;
        this.drift = frame.mediaTime - due;
        this.worstDrift = Math.max(this.worstDrift, Math.abs(this.drift));
      }
      deck.video.requestVideoFrameCallback(seen);
    };
    deck.video.requestVideoFrameCallback(seen);
  }

  #mediaSeconds(clip: Clip, frame: number): number {
    const { rate, status } = this.clock();
    const offset = status(clip.media_id ?? "")?.offset;
    const began = offset ? offset[0] / offset[1] : 0;
    return start(clip) - began + framesToSeconds(frame - clip.start_frames, rate) * (clip.speed ?? 1);
  }

  #load(deck: Deck, clip: Clip, frame: number): boolean {
    const media = clip.media_id;
    if (!media || this.clock().status(media)?.state !== "ready") return false;
    if (deck.media !== media) {
      deck.media = media;
      deck.video.src = mediaUrl(media);
    }
    if (deck.clip !== clip.id) {
      deck.clip = clip.id;
      deck.video.currentTime = Math.max(0, this.#mediaSeconds(clip, frame));
    }
    return true;
  }

  /** Shows the picture of a frame. `speed` 0 stands still; while it plays, the next shot is prepared. */
  follow(frame: number, speed: number): void {
    const { clipAt, rate } = this.clock();
    const clip = clipAt(frame);
    const playing = speed > 0;
    if (!clip || !this.#show(clip, frame)) {
      this.host.classList.add("black");
      for (const { video } of this.#decks) if (!video.paused) video.pause();
      return;
    }
    this.host.classList.remove("black");
    const deck = this.#decks[this.#front] as Deck;
    this.#steer(deck, this.#mediaSeconds(clip, frame), speed * (clip.speed ?? 1), playing, rate);
    if (playing) this.#prepareNext(clip);
  }

  #show(clip: Clip, frame: number): boolean {
    const other = this.#decks[1 - this.#front] as Deck;
    const front = this.#decks[this.#front] as Deck;
    if (front.clip !== clip.id && other.clip === clip.id && other.media === clip.media_id) {
      this.#front = 1 - this.#front;
      front.video.pause();
      front.clip = null;
    } else if (!this.#load(front, clip, frame)) return false;
    for (const [index, deck] of this.#decks.entries()) deck.video.classList.toggle("front", index === this.#front);
    return true;
  }

  #steer(deck: Deck, wanted: number, speed: number, playing: boolean, rate: Rational): void {
    const { video } = deck;
    const frameSeconds = rate[1] / rate[0];
    this.#wanted = { seconds: wanted, at: performance.now(), playing };
    if (!playing) {
      if (!video.paused) video.pause();
      const middle = Math.max(0, wanted + frameSeconds / 2);
      if (!video.seeking && Math.abs(video.currentTime - middle) > frameSeconds / 4) video.currentTime = middle;
      return;
    }
    const ahead = video.currentTime - wanted;
    if (Math.abs(ahead) > SEEK_OVER_S && !video.seeking) video.currentTime = wanted + 0.04;
    const correction = Math.abs(ahead) > frameSeconds / 5 ? Math.max(-0.12, Math.min(0.12, -ahead * 1.5)) : 0;
    const target = Math.max(0.0625, Math.min(16, speed * (1 + correction)));
    if (Math.abs(video.playbackRate - target) > 0.004) video.playbackRate = target;
    if (video.paused) void video.play().catch(() => undefined);
  }

  #prepareNext(clip: Clip): void {
    const end = clip.start_frames + clip.duration_frames;
    const next = this.clock().clipAt(end);
    if (!next || next.id === clip.id) return;
    const frame = Math.max(end, next.start_frames);
    const left = this.#mediaSeconds(clip, end) - this.#wanted.seconds;
    const deck = this.#decks[1 - this.#front] as Deck;
    if (deck.clip !== next.id && left < PREPARE_AHEAD_S) this.#load(deck, next, frame);
  }
}
