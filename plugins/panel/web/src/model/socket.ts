// Changes as the server sends them. After a break the whole state is fetched, so that nothing that was missed stays wrong.
import { hasUnsentRows, receiveRows } from "./rows";
import { applyChanges, connected, reload, state } from "./store";
import type { Job, PanelState } from "./contract";

type Message =
  | { type: "patch"; revision: number; changes: Partial<PanelState> }
  | { type: "job"; job: Partial<Job> };

function applyJob(job: Partial<Job>): void {
  const jobs = state.jobs.value;
  if (!job.id) return;
  const held = jobs.find((one) => one.id === job.id);
  if (held) applyChanges({ jobs: jobs.map((one) => (one === held ? { ...one, ...job } : one)) });
  else if (job.row_ids && job.clip_ids) applyChanges({ jobs: [...jobs, job as Job] });
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

export function openSocket(): void {
  let wait = 500;
  let hadConnection = false;
  const connect = (): void => {
    const socket = new WebSocket(`ws://${location.host}/api/events`);
    socket.onopen = () => {
      connected.value = true;
      wait = 500;
      if (hadConnection) void reload();
      hadConnection = true;
    };
    socket.onmessage = (event: MessageEvent<string>) => handleMessage(JSON.parse(event.data) as Message);
    socket.onclose = () => {
      connected.value = false;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 8000);
    };
  };
  connect();
}
