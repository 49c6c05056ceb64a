// Everything of a row that its head has no room for.
import type { Pan, Row } from "../model/contract";
import { selectedClip, state } from "../model/store";
import { changePrompt, changeRow, duplicateRow, moveRow, removeRow } from "../model/rows";
import { t } from "../model/strings";

const PANS: Pan[] = ["off", "envelope", "stereo"];

/** Prompts that the project used and the model knows, less the one that stands there. */
export function Suggestions({ onUse, current }: { onUse: (prompt: string) => void; current: string }) {
  const shown = state.suggestions.value.filter((prompt) => prompt !== current).slice(0, 8);
  if (shown.length === 0) return null;
  return (
    <div class="suggestions" role="group" aria-label={t("suggestions")}>
      {shown.map((prompt) => <button key={prompt} class="suggestion" onClick={() => onUse(prompt)}>{prompt}</button>)}
    </div>
  );
}

function RowActions({ row }: { row: Row }) {
  const index = state.rows.value.indexOf(row);
  return (
    <div class="button-row">
      <button class="button small" onClick={() => moveRow(row.id, index - 1)} disabled={index <= 0} title="Alt ↑">{t("row.up")}</button>
      <button class="button small" onClick={() => moveRow(row.id, index + 1)} disabled={index >= state.rows.value.length - 1} title="Alt ↓">{t("row.down")}</button>
      <button class="button small" onClick={() => duplicateRow(row.id)} title="D">{t("row.duplicate")}</button>
      <button class="button small danger" onClick={() => removeRow(row.id)} title="Delete">{t("row.remove")}</button>
    </div>
  );
}

export function RowPanel({ row }: { row: Row }) {
  const own = Object.keys(row.overrides).length;
  return (
    <div class="panel-part">
      <label class="labelled">
        <span>{t("row.prompt")}</span>
        <input
          value={row.prompt} maxLength={500} dir="auto" spellcheck={false} list="suggestions" autocomplete="off" data-side="prompt"
          onInput={(event) => changePrompt(row, event.currentTarget.value)}
        />
      </label>
      <Suggestions current={row.prompt} onUse={(prompt) => changePrompt(row, prompt)} />
      <label class="labelled">
        <span>{t("row.negative")}</span>
        <input
          value={row.negative} maxLength={500} dir="auto" spellcheck={false} autocomplete="off" placeholder={t("row.negative_hint")}
          onInput={(event) => changeRow(row.id, { negative: event.currentTarget.value })}
        />
      </label>
      <div class="fields">
        <label class="labelled">
          <span>{t("row.takes")}</span>
          <input
            type="number" min={1} max={9} value={row.takes}
            onChange={(event) => changeRow(row.id, { takes: Math.max(1, Math.min(9, Math.round(Number(event.currentTarget.value)) || 1)) })}
          />
        </label>
        <label class="labelled">
          <span>{t("row.gain")}</span>
          <input
            type="number" min={-60} max={24} step={0.5} value={row.gain_db}
            onChange={(event) => changeRow(row.id, { gain_db: Math.max(-60, Math.min(24, Number(event.currentTarget.value) || 0)) })}
          />
        </label>
        <label class="labelled">
          <span>{t("row.pan")}</span>
          <select value={row.pan} onChange={(event) => changeRow(row.id, { pan: event.currentTarget.value as Pan })}>
            {PANS.map((pan) => <option key={pan} value={pan}>{t(`pan.${pan}`)}</option>)}
          </select>
        </label>
      </div>
      {own > 0 && <p class="quiet">{t("row.own", { n: own })}</p>}
      {selectedClip.value === null && <p class="quiet">{t("row.click_cell")}</p>}
      <RowActions row={row} />
    </div>
  );
}
