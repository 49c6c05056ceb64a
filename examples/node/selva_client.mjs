// A client of the Selva Bridge daemon in JavaScript, written from docs/reference/protocol.md alone.
//
//   node selva_client.mjs status                 the state of the daemon
//   node selva_client.mjs submit job.json        queue a job, print its changes, end with its stems
//   node selva_client.mjs cancel JOB_ID
//
// Each line on standard output is one JSON object.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir, platform } from "node:os";
import { join } from "node:path";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer, Subscriber } from "zeromq";

const PROTOCOL = 1;
const ANSWER_TIMEOUT_MS = 10_000;
const FINISHED = new Set(["done", "failed", "cancelled"]);

function connectionFile() {
  return process.env.SELVA_CONNECTION_FILE || join(stateFolder(), "connection.json");
}

function stateFolder() {
  const { env } = process;
  if (env.SELVA_STATE_DIR) return env.SELVA_STATE_DIR;
  if (platform() === "win32") return join(env.LOCALAPPDATA, "selva-bridge");
  if (platform() === "darwin") return join(homedir(), "Library", "Application Support", "selva-bridge");
  return join(env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "selva-bridge");
}

class SelvaClient {
  constructor(connection) {
    this.connection = connection;
    this.session = randomUUID();
    this.keys = {
      curveServerKey: connection.server_key,
      curvePublicKey: connection.client.public,
      curveSecretKey: connection.client.secret,
      linger: 0,
    };
    this.channels = { jobs: this.dealer(connection.jobs), control: this.dealer(connection.control) };
  }

  dealer(endpoint) {
    const socket = new Dealer({ ...this.keys, receiveTimeout: ANSWER_TIMEOUT_MS });
    socket.connect(endpoint);
    return socket;
  }

  async request(channel, type, body = {}) {
    const envelope = {
      protocol: PROTOCOL,
      type,
      request_id: randomUUID(),
      session: this.session,
      time_s: Date.now() / 1000,
      body,
    };
    const socket = this.channels[channel];
    await socket.send(encode(envelope));
    for (;;) {
      const [frame] = await socket.receive();
      const reply = decode(frame);
      if (reply.request_id !== envelope.request_id && reply.request_id !== "") continue;
      if (reply.type === "error") throw Object.assign(new Error(reply.body.message), { body: reply.body });
      return reply.body;
    }
  }

  // Each change of a job, the present state first, the finished one last.
  async *events(jobId) {
    const socket = new Subscriber(this.keys);
    socket.subscribe(`job.${jobId}`);
    socket.connect(this.connection.events);
    try {
      let sequence = -1;
      for await (const [, frame] of socket) {
        const status = decode(frame).body;
        if (status.sequence <= sequence) continue;
        sequence = status.sequence;
        yield status;
        if (FINISHED.has(status.state)) return;
      }
    } finally {
      socket.close();
    }
  }

  close() {
    for (const socket of Object.values(this.channels)) socket.close();
  }
}

function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function main([command, argument]) {
  const client = new SelvaClient(JSON.parse(readFileSync(connectionFile(), "utf8")));
  try {
    if (command === "status") {
      print(await client.request("control", "status"));
    } else if (command === "cancel") {
      print(await client.request("control", "cancel", { job_ids: [argument] }));
    } else if (command === "submit") {
      const submitted = await client.request("jobs", "submit", JSON.parse(readFileSync(argument, "utf8")));
      print(submitted);
      for await (const status of client.events(submitted.job_id)) print(status);
    } else {
      throw new Error("commands are: status, submit job.json, cancel JOB_ID");
    }
  } finally {
    client.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`selva_client: ${error.message}\n`);
  for (const fault of error.body?.fields ?? []) process.stderr.write(`  ${fault.field}: ${fault.message}\n`);
  process.exitCode = 1;
});
