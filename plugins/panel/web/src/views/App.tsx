import { dismiss, loaded, notices, state } from "../model/store";
import { t } from "../model/strings";
import { Timeline } from "../timeline/Timeline";
import { openDialog } from "./dialogs";
import { Detail, ServerText } from "./common";
import { Footer } from "./Footer";
import { Icon } from "./icons";
import { KeysDialog } from "./KeysDialog";
import { Side } from "./Side";
import { DaemonDialog, TopBar } from "./TopBar";
import { Splitter } from "./Splitter";
import { Viewer } from "./Viewer";

function Notices() {
  return (
    <div class="notices" role="log" aria-live="assertive" aria-label={t("notices")}>
      {state.saving_problem.value && (
        <div class="notice error"><p><b>⚠ <ServerText message={state.saving_problem.value} code="storage" /></b><br />{t("saving.problem_remedy")}</p></div>
      )}
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice ${notice.kind}`}>
          <p><b>{notice.kind === "error" ? "⚠ " : ""}{notice.text}</b>{notice.remedy && <><br />{notice.remedy}</>}{notice.detail && <Detail text={notice.detail} />}</p>
          <button class="icon" onClick={() => dismiss(notice.id)} aria-label={t("close")}><Icon name="reject" /></button>
        </div>
      ))}
    </div>
  );
}

export function App() {
  if (!loaded.value) return <main class="loading" aria-busy="true"><p>{t("loading")}</p><Notices /></main>;
  return (
    <>
      <TopBar />
      <main>
        <Viewer />
        <Splitter />
        <Side />
        <Timeline />
      </main>
      <Footer />
      <datalist id="suggestions">{state.suggestions.value.map((prompt) => <option key={prompt} value={prompt} />)}</datalist>
      <Notices />
      {openDialog.value === "keys" && <KeysDialog />}
      {openDialog.value === "daemon" && <DaemonDialog />}
    </>
  );
}
