// Signs on buttons, drawn here: the same in every browser, whatever fonts it has.
const PATHS = {
  start: "M4 3v14M16 4 7 10l9 6z",
  loop: "M4 8.5A6 5 0 0 1 10 5h5m-2.5-3 3 3-3 3M16 11.5A6 5 0 0 1 10 15H5m2.5 3-3-3 3-3",
  fit: "M3 8V3h5M17 12v5h-5M3 3l5 5M17 17l-5-5",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  save: "M10 3v9M6 8.5 10 12.5l4-4M4 16.5h12",
  keep: "m4 10.5 4 4 8-9",
  reject: "m5 5 10 10M15 5 5 15",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  light: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4",
  dark: "M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.500 8.500z",
  help: "M7 7.500a3 3 0 1 1 4.300 2.700c-.9.500-1.300 1-1.300 2.100M10 15.500v.300",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class={`sign ${name}`} viewBox="0 0 20 20" width="16" height="16" aria-hidden="true"><path d={PATHS[name]} /></svg>
  );
}
