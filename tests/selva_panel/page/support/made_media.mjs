// Pictures and sounds that tests look at and listen to, made here.
import { deflateSync } from "node:zlib";

const crcTable = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc32(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = crcTable[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(name, body) {
  const bytes = Buffer.alloc(12 + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.write(name, 4, "latin1");
  body.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + body.length)), 8 + body.length);
  return bytes;
}

/** A PNG of `count` thumbnails: a ground with a bright ball that moves from one to the next. */
export function stripPng(width, height, count, hue) {
  const stride = width * 3 + 1;
  const raw = Buffer.alloc(stride * height);
  const slot = width / count;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const index = Math.floor(x / slot);
      const ball = { x: (index + 0.2 + (0.6 * (index + 0.5)) / count) * slot, y: height * 0.6 };
      const inside = Math.hypot(x - ball.x, y - ball.y) < height * 0.14;
      const shade = y / height;
      const ground = [40 + 60 * shade + (hue % 3) * 30, 60 + 70 * shade + (hue % 5) * 16, 80 + 50 * (1 - shade) + (hue % 7) * 10];
      const at = y * stride + 1 + x * 3;
      for (let channel = 0; channel < 3; channel++) raw[at + channel] = inside ? 235 - 40 * channel : ground[channel];
    }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", header), chunk("IDAT", deflateSync(raw, { level: 1 })), chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** 24-bit mono WAV, with a chunk before the samples as stems have; `sample(n)` is -1..1. */
export function wav24(frames, sampleRateHz, sample) {
  const provenance = Buffer.from("iXML\u0008\u0000\u0000\u0000<a></a> ", "latin1");
  const bytes = Buffer.alloc(12 + 24 + provenance.length + 8 + frames * 3);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(sampleRateHz, 24);
  bytes.writeUInt32LE(sampleRateHz * 3, 28);
  bytes.writeUInt16LE(3, 32);
  bytes.writeUInt16LE(24, 34);
  provenance.copy(bytes, 36);
  const data = 36 + provenance.length;
  bytes.write("data", data, "latin1");
  bytes.writeUInt32LE(frames * 3, data + 4);
  for (let n = 0; n < frames; n++)
    bytes.writeIntLE(Math.max(-8388608, Math.min(8388607, Math.round(sample(n) * 8388608))), data + 8 + n * 3, 3);
  return bytes;
}

/** Strokes that decay, as of steps: `pitch` tells stems apart. */
export const strokes = (pitch, sampleRateHz) => (n) => {
  const since = (n / sampleRateHz) % 0.5;
  return 0.5 * Math.exp(-since * 9) * Math.sin(2 * Math.PI * pitch * since);
};
