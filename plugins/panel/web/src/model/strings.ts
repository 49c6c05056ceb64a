// The words of the page, one file per language in strings/. A language is chosen by the person, else by the browser.
import { signal } from "@preact/signals";

export const LANGUAGES = { en: "English", de: "Deutsch", ja: "日本語" } as const;
export type Language = keyof typeof LANGUAGES;

export const language = signal<Language>("en");
const strings = signal<Record<string, string>>({});

const isLanguage = (code: string): code is Language => code in LANGUAGES;

export function preferredLanguage(): Language {
  const chosen = localStorage.getItem("selva.language") ?? "";
  if (isLanguage(chosen)) return chosen;
  for (const code of navigator.languages) {
    const short = code.slice(0, 2);
    if (isLanguage(short)) return short;
  }
  return "en";
}

export async function loadStrings(code: Language): Promise<void> {
  const answer = await fetch(`/strings/${code}.json`);
  if (!answer.ok) throw new Error(`strings of ${code}: ${answer.status}`);
  strings.value = (await answer.json()) as Record<string, string>;
  language.value = code;
  document.documentElement.lang = code;
}

export function chooseLanguage(code: Language): void {
  localStorage.setItem("selva.language", code);
  void loadStrings(code);
}

/** The string of a key, `{name}` replaced. `key.one` is taken where `n` is 1 and the language has it. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const table = strings.value;
  const text = (values["n"] === 1 ? table[`${key}.one`] : undefined) ?? table[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Whether a key has a string: for values that a later server may send. */
export const hasString = (key: string): boolean => key in strings.value;

export interface Explained {
  text: string;
  /** The server's own words, in English; empty where the text says them. */
  detail: string;
}

/** A message of the server in the page's language, by its code or what the code begins with; names and numbers stay in the detail. */
export function explain(message: string, code = ""): Explained {
  if (language.value !== "en")
    for (let part = code; part; part = part.slice(0, Math.max(0, part.lastIndexOf("-"))))
      if (hasString(`error.${part}`)) return { text: t(`error.${part}`), detail: message };
  return { text: message, detail: "" };
}
