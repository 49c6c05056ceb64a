import { effect } from "@preact/signals";
import { render } from "preact";
import { currentPicture, player, seek, startTransport } from "./audio/transport";
import { handleKey, releaseControl } from "./keys";
import { flushRows, hasUnsentRows } from "./model/rows";
import { openSocket } from "./model/socket";
import { connected, playhead, reload, selectedClip, selectedRow, state } from "./model/store";
import { loadStrings, preferredLanguage, t } from "./model/strings";
import { readPalette } from "./timeline/palette";
import { App } from "./views/App";
import { setTheme } from "./views/TopBar";

const THEMES = ["auto", "light", "dark"] as const;

async function start(): Promise<void> {
  const stored = localStorage.getItem("selva.theme");
  setTheme(THEMES.find((one) => one === stored) ?? "auto");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readPalette);
  await loadStrings(preferredLanguage());
  render(<App />, document.getElementById("app") as HTMLElement);
  startTransport();
  await reload();
  openSocket();
  effect(() => {
    document.title = state.cut.value.name ? `${state.cut.value.name} – Selva` : "Selva";
  });
  document.addEventListener("keydown", handleKey);
  document.addEventListener("click", releaseControl);
  window.addEventListener("pagehide", () => void flushRows());
  window.addEventListener("beforeunload", (event) => {
    if (hasUnsentRows() && !connected.value) event.preventDefault(); // nobody is there to take what was typed
  });
}

// What tests and people with a console read: the same objects that the page itself uses.
Object.assign(globalThis, {
  selvaPanel: { player, playhead, seek, state, selectedRow, selectedClip, picture: currentPicture, t },
});

void start();
