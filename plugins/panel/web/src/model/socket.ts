// Changes as the server sends them. After a break the whole state is fetched, so that nothing that was missed stays wrong.
import { applyChanges, connected, reload, state } from "./store";
import type { Job, PanelState } from "./contract";

type Message =
  | { type: "patch"; revision: number; changes: Partial<PanelState> }
  | ({ type: "job" } & Record<string, unknown>);

/** A job's message carries the job itself, or its fields beside `type`. */
function jobOf(message: Record<string, unknown>): Partial<Job> & { id?: string } {
  const inner = message["job"];
  return (typeof inner === "object" && inner !== null ? inner : message) as Partial<Job>;
}

function applyJob(message: Record<string, unknown>): void {
  const job = jobOf(message);
  const jobs = state.jobs.value;
  if (!job.id || !jobs.some((held) => held.id === job.id)) return;
  const known = ["state", "stage", "done", "seconds_left", "message"] as const;
  applyChanges({
    jobs: jobs.map((held) => {
      if (held.id !== job.id) return held;
      const next = { ...held } as Record<string, unknown>;
      for (const key of known) if (job[key] !== undefined) next[key] = job[key];
      return next as unknown as Job;
    }),
  });
}

export function handleMessage(message: Message): void {
  if (message.type === "job") applyJob(message);
  else if (message.type === "patch") applyChanges({ ...message.changes, revision: message.revision });
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
