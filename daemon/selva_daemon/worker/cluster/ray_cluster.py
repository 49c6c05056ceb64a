"""The connection to a Ray cluster. Everything that this project asks of Ray is here, and its errors are translated here.

To be imported after `ray_environment.prepare`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from selva_core.base.errors import ConfigurationError
from selva_core.base.settings.checks import OWN_RAY
from selva_daemon.worker.cluster.device_actor import MAX_CALLS, DeviceActor
from selva_daemon.worker.cluster.placement import DevicePlace, Node
from selva_daemon.worker.device_lost import CRASHED, LOST, DeviceLostError

try:
    import ray
    from ray.exceptions import ActorDiedError, GetTimeoutError, RayActorError, RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from selva_daemon.worker.cluster.ray_address import check_address
except ImportError as exc:
    from selva_core.base.command_line import pip_install_command

    raise ConfigurationError(
        f"a Ray cluster is used through Ray, which is not installed ({exc}); install it with: "
        f"{pip_install_command('selva-bridge[ray]')}"
    ) from exc

Reference: TypeAlias = Any
"""Of an object in Ray's store: Ray's types differ between a driver and a Ray client."""

_PROCESS_DIED = "worker process has died"
_NOT_INSTALLED = "No module named 'selva"
_log = logging.getLogger(__name__)


class RayCluster:
    """One connection of this process. Safe to use from several threads."""

    def __init__(self, executor: str, *, owner: str, own_folder: Path | None = None) -> None:
        """executor: the setting. owner: names this daemon beside others on the same cluster. own_folder: for the files of a Ray
        of our own. Raises ConfigurationError, ConnectionError with a sentence.
        """
        self._own_folder = own_folder
        self.address = executor
        self.is_authenticated = True
        """Whether the cluster takes programs only from those who know its token."""
        options: dict[str, Any] = {
            "namespace": f"selva-bridge-{owner}",
            "log_to_driver": False,
            "logging_level": logging.WARNING,
        }
        if executor == OWN_RAY:
            options |= {"address": "local", "include_dashboard": False}
            # Ray opens its folder to all users, so it is within a closed one.
            options |= {} if own_folder is None else {"_temp_dir": str(own_folder / "r")}
        else:
            options["address"] = executor
            self.is_authenticated = check_address(executor)
        try:
            ray.init(**options)
        except (RayError, RuntimeError, ValueError, OSError) as error:
            raise ConnectionError(_describe_refusal(executor, error)) from error
        # Not concurrency groups: a Ray client cannot name one in a call.
        self._actors = ray.remote(max_concurrency=MAX_CALLS)(DeviceActor)

    @property
    def ray_version(self) -> str:
        return str(ray.__version__)

    def nodes(self) -> list[Node]:
        """Those that are there now."""
        return [
            Node(node_id=row["NodeID"], host=row["NodeManagerHostname"], resources=row["Resources"])
            for row in ray.nodes()
            if row["Alive"]
        ]

    def start_actor(self, place: DevicePlace) -> Any:
        """On that very node; Ray restarts and repeats nothing, since the queue does."""
        return self._actors.options(
            num_cpus=place.num_cpus,
            num_gpus=place.num_gpus,
            resources=dict(place.resources),
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=place.node_id, soft=False),
        ).remote()

    def end_actor(self, actor: Any) -> None:
        try:
            ray.kill(actor, no_restart=True)
        except RayError as error:
            _log.debug("an actor was gone already: %s", error)

    def put(self, content: bytes) -> Reference:
        return ray.put(content)

    def begin_call(self, method: Any, *arguments: Any) -> Reference:
        return method.remote(*arguments)

    def is_done(self, reference: Reference, timeout_s: float) -> bool:
        done, _ = ray.wait([reference], timeout=timeout_s)
        return bool(done)

    def result(self, reference: Reference, *, timeout_s: float | None = None) -> Any:
        """Raises TimeoutError, DeviceLostError."""
        with translated():
            return ray.get(reference, timeout=timeout_s)

    def ask(self, method: Any, *arguments: Any, timeout_s: float) -> Any:
        """Call and wait. Raises TimeoutError, DeviceLostError."""
        return self.result(self.begin_call(method, *arguments), timeout_s=timeout_s)

    def close(self) -> None:
        ray.shutdown()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)


@contextmanager
def translated() -> Iterator[None]:
    """Ray's errors of a call as ours: TimeoutError, DeviceLostError."""
    try:
        yield
    except GetTimeoutError as error:
        raise TimeoutError("the device does not answer") from error
    except ActorDiedError as error:
        raise _describe_death(str(error)) from error
    except RayActorError as error:
        raise DeviceLostError("its node cannot be reached any more") from error
    except RayTaskError as error:
        raise DeviceLostError(f"a fault on its node: {_last_line(str(error))}", outcome=CRASHED) from error
    except RayError as error:
        raise DeviceLostError(f"Ray lost it: {_last_line(str(error))}") from error


def _describe_death(text: str) -> DeviceLostError:
    """Ray says why an actor died in words only. A process that died by itself may have died of the job."""
    if _NOT_INSTALLED in text:
        return DeviceLostError(
            "Selva Bridge is not installed on its node, in the Python that Ray runs with there"
        )
    if _PROCESS_DIED in text:
        return DeviceLostError("the process on its node died", outcome=CRASHED)
    return DeviceLostError("its node is gone", outcome=LOST)


def _describe_refusal(executor: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    where = "a Ray cluster on this machine" if executor == OWN_RAY else f"the Ray cluster at {executor}"
    if "ersion mismatch" in text:
        return f"{where} has other versions: {text}. Install the same Ray and Python on both"
    if "auth" in text.lower() and "token" in text.lower():
        return (
            f"{where} wants a token: start the daemon with RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or with the token in "
            f"~/.ray/auth_token ({text})"
        )
    return f"{where} cannot be used: {text}"


def _last_line(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason given"
