import { KEYS } from "../keys";
import { t } from "../model/strings";
import { Dialog } from "./common";
import { openDialog } from "./dialogs";

const GROUPS = ["play", "choose", "edit", "view"] as const;

export function KeysDialog() {
  return (
    <Dialog title={t("keys.title")} onClose={() => (openDialog.value = null)}>
      <div class="keys">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{t(`keys.${group}`)}</h3>
            <dl>
              {KEYS.filter((key) => key.group === group && key.text).map((key) => (
                <div key={key.text}><dt><kbd>{key.shown}</kbd></dt><dd>{t(key.text)}</dd></div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="quiet">{t("keys.typing")}</p>
    </Dialog>
  );
}
