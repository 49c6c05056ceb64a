"""Nodes of a Ray cluster on this machine, started and killed as the lines on standard input say.

    add NAME        start a node with one device; the first is the head, with a Ray Client server on the port of the arguments
    kill NAME       kill all processes of a node, as a power cut would
    behead          kill the head's service, and nothing else

Each answer is a line: the address of the cluster.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ray.cluster_utils import Cluster

STORE_BYTES = 100 << 20


def main() -> None:
    cluster: Any = Cluster()
    nodes: dict[str, Any] = {}
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "add":
            client_server = {} if nodes else {"ray_client_server_port": int(sys.argv[1])}
            nodes[name] = cluster.add_node(
                **client_server,
                num_cpus=1,
                num_gpus=0,
                resources={"selva": 1},
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
            )
        elif command == "kill":
            cluster.remove_node(nodes.pop(name), allow_graceful=False)
        elif command == "behead":
            cluster.head_node.all_processes["gcs_server"][0].process.kill()
        sys.stdout.write(f"\nANSWER {cluster.address}\n")
        sys.stdout.flush()
    for node in nodes.values():
        node.kill_all_processes(check_alive=False, allow_graceful=False)
    os._exit(0)  # what Ray does at exit waits for the head, which may be gone


if __name__ == "__main__":
    main()
