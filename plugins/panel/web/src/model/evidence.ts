import type { Evidence } from "./contract";

/** Whether the model says that the prompt is not in the picture; for prompts that it cannot judge (`acts` is false) it says nothing. */
export const isMissing = (evidence: Evidence | undefined): boolean => evidence !== undefined && evidence.acts && !evidence.seen;
