import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../model/api";
import type { Model } from "../model/contract";
import { attempt, connected, ended, notify, state, theme } from "../model/store";
import { type Language, LANGUAGES, chooseLanguage, explain, language, t } from "../model/strings";
import { framesToSeconds } from "../model/time";
import { readPalette } from "../timeline/palette";
import { Dialog, Progress, ServerText, duration, size } from "./common";
import { openDialog } from "./dialogs";
import { Icon } from "./icons";

export function setTheme(value: typeof theme.value): void {
  theme.value = value;
  localStorage.setItem("selva.theme", value);
  if (value === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
  readPalette();
}

const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" } as const;

function CutName() {
  const { name, source, scope, duration_frames, rate } = state.cut.value;
  return (
    <div class="cut-name">
      <h1>{name || "Selva"}</h1>
      <span class="tag">{t(`source.${source}`)}</span>
      <span class="tag accent" title={t("scope.hint")}>{t(`scope.${scope}`)}</span>
      <span class="quiet">{t("cut.clips", { n: state.clips.value.length })} · {duration(framesToSeconds(duration_frames, rate))}</span>
    </div>
  );
}

function DaemonChip() {
  const daemon = state.daemon.value;
  const shown = ended.value ? "ended" : !connected.value ? "lost" : daemon.state === "ready" && daemon.yielded ? "yielded" : daemon.state;
  return (
    <button class={`daemon ${shown}`} onClick={() => (openDialog.value = "daemon")} title={[explain(daemon.message ?? "", daemon.code).text, daemon.device].filter(Boolean).join("\n")}>
      <i class="dot" aria-hidden="true" />
      <span>{t(`daemon.${shown}`)}</span>
      {daemon.model && <b>{daemon.model}</b>}
      {daemon.device && <span class="quiet">{daemon.device.split(":")[0]}</span>}
    </button>
  );
}

export function TopBar() {
  return (
    <header class="topbar">
      <svg class="mark" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
        <path d="M5 16h3M11 10v12M16 5v22M21 11v10M26 14v4" />
      </svg>
      <CutName />
      <span class="spring" />
      <DaemonChip />
      <select
        class="select" aria-label={t("language")} value={language.value}
        onChange={(event) => chooseLanguage(event.currentTarget.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
      </select>
      <button
        class="icon" onClick={() => setTheme(NEXT_THEME[theme.value])} title={t(`theme.${theme.value}`)}
        aria-label={`${t("theme")}: ${t(`theme.${theme.value}`)}`}
      ><Icon name={theme.value} /></button>
      <button class="icon" onClick={() => (openDialog.value = "keys")} aria-label={t("keys.title")} title={`${t("keys.title")} (?)`}><Icon name="help" /></button>
    </header>
  );
}

function ModelLine({ model, onPull }: { model: Model; onPull: (model: Model) => void }) {
  const chosen = state.daemon.value.model === model.name;
  return (
    <tr>
      <th scope="row">{model.name}{chosen && <span class="tag accent">{t("model.chosen")}</span>}</th>
      <td>{model.licence}</td>
      <td class="number">{model.bytes > 0 ? size(model.bytes) : "–"}</td>
      <td>
        {model.pull?.state === "running" ? (
          <>
            <Progress done={model.pull.done} label={t("model.fetching", { name: model.name })} />
            <button class="button small" onClick={() => void attempt(() => api.cancelPull(model.name))}>{t("cancel")}</button>
          </>
        ) : model.installed
          ? !chosen && <button class="button small" onClick={() => void attempt(() => api.chooseModel(model.name))}>{t("model.use")}</button>
          : <button class="button small" onClick={() => onPull(model)}>{t("model.fetch")}</button>}
        {model.pull?.state === "failed" && <p class="problem"><ServerText message={model.pull.message ?? ""} code={model.pull.code} /></p>}
      </td>
    </tr>
  );
}

/** What a person agrees to before a model is fetched: its size, and each of its licences on a line of its own. */
function Agreement({ model, onAgree, onCancel }: { model: Model; onAgree: () => void; onCancel: () => void }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => element.current?.focus(), []);
  return (
    <div class="confirm" role="group" aria-label={t("model.fetch_of", { name: model.name })} ref={element} tabIndex={-1}>
      <p>{t("model.agree", { name: model.name, size: size(model.bytes) })}</p>
      <ul>{model.licence.split("\n").map((line) => <li key={line}>{line}</li>)}</ul>
      <div class="button-row">
        <button class="button primary" onClick={onAgree}>{t("model.agree_fetch")}</button>
        <button class="button" onClick={onCancel}>{t("cancel")}</button>
      </div>
    </div>
  );
}

/** The daemon, its device and its models; a model is fetched after its licence was agreed to. */
export function DaemonDialog() {
  const [asked, setAsked] = useState<Model | null>(null);
  const daemon = state.daemon.value;
  const pull = async (): Promise<void> => {
    if (!asked) return;
    const done = await attempt(async () => (await api.pull(asked.name), true));
    if (done) notify("info", t("model.fetching", { name: asked.name }));
    setAsked(null);
  };
  const free = async (): Promise<void> => {
    if (await attempt(async () => (await api.freeDevice(), true))) notify("info", t("device.freed"));
  };
  return (
    <Dialog title={t("daemon.title")} onClose={() => (openDialog.value = null)}>
      <p><b>{t(`daemon.${daemon.state}`)}</b>{daemon.device && <> · {daemon.device}</>}</p>
      {daemon.message && <p class="quiet"><ServerText message={daemon.message} code={daemon.code} /></p>}
      <p><button class="button small" onClick={() => void free()}>{t("device.free")}</button> <span class="quiet">{t("device.free_hint")}</span></p>
      {asked ? <Agreement model={asked} onAgree={() => void pull()} onCancel={() => setAsked(null)} /> : (
        <table class="table">
          <thead><tr><th scope="col">{t("model")}</th><th scope="col">{t("model.licence")}</th><th scope="col">{t("model.size")}</th><th scope="col">{t("model.action")}</th></tr></thead>
          <tbody>{daemon.models.map((model) => <ModelLine key={model.name} model={model} onPull={setAsked} />)}</tbody>
        </table>
      )}
    </Dialog>
  );
}
