// Changes as the server sends them. After a break the whole state is fetched, so that nothing that was missed stays wrong.
import { ApiError, api } from "./api";
import type { Job, PanelState } from "./contract";
import { flushRows, hasUnsentRows, receiveRows } from "./rows";
import { applyChanges, applyState, attempt, connected, ended, loaded, notify, state } from "./store";
import { explain, t } from "./strings";

type Message =
  | { type: "patch"; revision: number; changes: Partial<PanelState> }
  | { type: "job"; job: Partial<Job> };

function applyJob(job: Partial<Job>): void {
  const jobs = state.jobs.value;
  if (!job.id) return;
  const held = jobs.find((one) => one.id === job.id);
  if (held) applyChanges({ jobs: jobs.map((one) => (one === held ? { ...one, ...job } : one)) });
  else if (job.row_ids && job.clip_ids) applyChanges({ jobs: [...jobs, job as Job] });
  if (job.mine && job.message && held?.state !== job.state) reportEnd(job.state, job.message, job.code);
}

/** A job that failed would otherwise be seen in the queue alone. */
function reportEnd(ended: string | undefined, message: string, code: string | undefined): void {
  const { text, detail } = explain(message, code);
  if (ended === "failed") notify("error", text, t("job.failed_remedy"), detail);
  if (ended === "done") notify("info", text, "", detail);
}

export function handleMessage(message: Message): void {
  if (message.type === "job") applyJob(message.job);
  else if (message.type === "patch") applyPatch(message.changes, message.revision);
}

/** Rows that are being edited here stay as they are typed: the patch may be the echo of an older edit, or of another page's. */
function applyPatch(changes: Partial<PanelState>, revision: number): void {
  const { rows, ...others } = changes;
  applyChanges(others);
  if (rows && !hasUnsentRows()) receiveRows(rows, revision);
}

/** The state as it is now; edits that could not be sent meanwhile are not lost under it, and are sent then. */
async function catchUp(): Promise<void> {
  const whole = await attempt(api.state);
  if (!whole) return;
  applyState(hasUnsentRows() ? { ...whole, rows: state.rows.value, revision: state.revision.value } : whole);
  await flushRows();
}

const QUIET_ATTEMPTS = 3;
const SLOWEST_MS = 8000;

/** Says once why there is no connection: a server that refuses this page will go on refusing it. */
async function explainLoss(): Promise<void> {
  try {
    await api.state();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 403) ended.value = true;
    await attempt(() => Promise.reject(error));
  }
}

export function openSocket(): void {
  let wait = 500;
  let failures = 0;
  let hadConnection = false;
  const connect = (): void => {
    const socket = new WebSocket(`ws://${location.host}/api/events`);
    socket.onopen = () => {
      connected.value = true;
      ended.value = false;
      wait = 500;
      failures = 0;
      if (hadConnection || !loaded.value) void catchUp();
      hadConnection = true;
    };
    socket.onmessage = (event: MessageEvent<string>) => handleMessage(JSON.parse(event.data) as Message);
    socket.onclose = () => {
      connected.value = false;
      if (++failures === QUIET_ATTEMPTS) void explainLoss();
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, SLOWEST_MS);
    };
  };
  connect();
}
