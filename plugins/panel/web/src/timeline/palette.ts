// Colours for canvases, read from the style sheet so that light and dark stay in one place.
import { signal } from "@preact/signals";

const NAMES = [
  "lane", "lane-alt", "line", "text", "muted", "faint", "accent", "warn", "bad", "good", "hatch", "cell", "shade", "ink",
] as const;
export type Palette = Record<(typeof NAMES)[number], string> & { rows: string[] };

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(`--${name}`).trim() || "#888";
  return {
    ...(Object.fromEntries(NAMES.map((name) => [name, value(name)])) as Record<(typeof NAMES)[number], string>),
    rows: Array.from({ length: 8 }, (_, index) => value(`row-${index}`)),
  };
}

const GREY = { ...Object.fromEntries(NAMES.map((name) => [name, "#888"])), rows: [] as string[] } as unknown as Palette;
export const palette = signal<Palette>(GREY);
export const readPalette = (): void => {
  palette.value = read();
};
