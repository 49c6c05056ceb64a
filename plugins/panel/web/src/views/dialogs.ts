import { signal } from "@preact/signals";

/** Which dialog is open, and which part of the side is shown. */
export const openDialog = signal<"keys" | "daemon" | null>(null);
export type Side = "sound" | "queue" | "place";
export const side = signal<Side>("sound");
