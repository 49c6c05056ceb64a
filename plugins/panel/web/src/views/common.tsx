// Small pieces that several views share.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { explain, t } from "../model/strings";
import { spokenSeconds } from "../model/time";
import { Icon } from "./icons";

/** A length of time in words. */
export function duration(seconds: number): string {
  const [minutes, rest] = spokenSeconds(seconds);
  if (minutes === 0) return t("time.seconds", { s: rest });
  return t("time.minutes", { m: minutes, s: rest });
}

export function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return `${Math.max(1, Math.round(bytes / 1e6))} MB`;
}

export function Progress({ done, label }: { done: number; label: string }) {
  return (
    <div class="progress" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(done * 100)}>
      <i style={{ width: `${Math.max(1, Math.min(100, done * 100))}%` }} />
    </div>
  );
}

/** A message of the server: in the page's language where its code has words, then as the server says it. */
export function ServerText({ message, code }: { message: string; code?: string | undefined }) {
  const { text, detail } = explain(message, code);
  return <>{text}{detail && <Detail text={detail} />}</>;
}

export const Detail = ({ text }: { text: string }) => <span class="detail" lang="en">{text}</span>;

/** A modal dialog; Escape and a click beside it close it, and focus goes back to where it was. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current as HTMLDialogElement;
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={element} aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <header>
        <h2 id="dialog-title">{title}</h2>
        <button class="icon" onClick={onClose} aria-label={t("close")}><Icon name="reject" /></button>
      </header>
      <div class="dialog-body" tabIndex={0}>{children}</div>
    </dialog>
  );
}
