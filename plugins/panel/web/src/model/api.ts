// Requests to the server of the panel. Everything is on the page's own origin; the cookie that /open set goes along by itself.
import type { MediaStatus, PanelState, Plan, Row } from "./contract";

/** An answer with an error: what was got, and what to do next, in the server's words. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly remedy: string,
    readonly status: number,
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

async function errorOf(answer: Response): Promise<ApiError> {
  const body: unknown = await answer.json().catch(() => null);
  const error = (body as { error?: { code?: string; message?: string; remedy?: string } } | null)?.error;
  return new ApiError(error?.code ?? "http", error?.message ?? answer.statusText, error?.remedy ?? "", answer.status, body);
}

/** Browsers let a request outlive its page up to 64 KiB: an edit made just before closing arrives. */
const withBody = (body: string): RequestInit => ({
  body, headers: { "content-type": "application/json" }, keepalive: body.length < 60_000,
});

export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      ...(body === undefined ? {} : withBody(JSON.stringify(body))),
    });
  } catch {
    throw new ApiError("unreachable", "", "", 0);
  }
  if (!answer.ok) throw await errorOf(answer);
  return (answer.status === 204 ? null : await answer.json()) as T;
}

/** What was placed or written; files can be downloaded under an id. */
export interface Delivered {
  report?: unknown[];
  download_id?: string | null;
}

const id = encodeURIComponent;

export const api = {
  state: () => request<PanelState>("GET", "/api/state"),
  putRows: (revision: number, rows: Row[]) => request<{ revision: number }>("PUT", "/api/rows", { revision, rows }),
  look: () => request<unknown>("POST", "/api/look", {}),
  render: (what: { row_ids?: string[]; clip_ids?: string[]; more_like?: string }) =>
    request<{ job_ids: string[] }>("POST", "/api/render", what),
  redo: (what: { stem_id: string; from_samples: number; to_samples: number; prompt?: string; seed?: number }) =>
    request<unknown>("POST", "/api/redo", what),
  cancel: (job: string) => request<unknown>("DELETE", `/api/jobs/${id(job)}`),
  cancelAll: () => request<unknown>("DELETE", "/api/jobs"),
  putStem: (stem: string, change: { choice?: string; active?: boolean }) =>
    request<unknown>("PUT", `/api/stems/${id(stem)}`, change),
  pull: (model: string) => request<unknown>("POST", `/api/models/${id(model)}/pull`, { accept_licence: true }),
  cancelPull: (model: string) => request<unknown>("DELETE", `/api/models/${id(model)}/pull`),
  chooseModel: (name: string) => request<unknown>("PUT", "/api/model", { name }),
  freeDevice: () => request<unknown>("POST", "/api/yield", {}),
  mediaStatus: (media: string) => request<MediaStatus>("GET", `/api/media/${id(media)}/status`),
  peaks: (stem: string, count: number) =>
    request<{ min: number[]; max: number[] }>("GET", `/api/stems/${id(stem)}/peaks?count=${count}`),
  plan: (target: string) => request<Plan>("POST", "/api/place/plan", { target }),
  place: (plan: string) => request<Delivered>("POST", "/api/place", { plan_id: plan }),
  removePlaced: () => request<unknown>("POST", "/api/place/remove", {}),
  save: (format: string) => request<Delivered>("POST", "/api/save", { format }),
  exportPage: (language: string) => request<Delivered>("POST", "/api/export", { language }),
  importNotes: (notes: unknown) => request<unknown>("POST", "/api/notes/import", notes),
};

export const mediaUrl = (media: string): string => `/api/media/${id(media)}`;
/** `width` pixels for each of `count` thumbnails. */
export const stripUrl = (clip: string, width: number, count: number): string =>
  `/api/clips/${id(clip)}/strip?width=${width}&count=${count}`;
export const stemUrl = (stem: string): string => `/api/stems/${id(stem)}/audio`;
export const productionUrl = "/api/production/audio";
export const downloadUrl = (download: string): string => `/api/download/${id(download)}`;
