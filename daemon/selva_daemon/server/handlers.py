"""The requests of the protocol, one method each: a body comes in, checked, and a reply's body goes out
(docs/protocol.md).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import UnknownModelError
from selva_core.base.limits import MAX_PROMPT_CHARS, MAX_TAKES
from selva_core.models.catalog import default_models_dir, find_model, missing_files
from selva_daemon.jobs.dispatcher import Dispatcher
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.protocol import envelope as protocol
from selva_daemon.protocol import job as schema
from selva_daemon.protocol.envelope import PROTOCOL_VERSION, Body, Envelope
from selva_daemon.protocol.errors import (
    DrainingError,
    FieldFault,
    InvalidRequestError,
    ReplayedRequestError,
    UnknownRequestError,
)
from selva_daemon.protocol.fields import FieldReader
from selva_daemon.protocol.job import parse_job
from selva_daemon.protocol.status import FINISHED_STATES, MAX_LISTED_JOBS, QUEUED, RUNNING, STATES

JOBS, CONTROL = "jobs", "control"
MAX_NAMED_JOBS = 1_000
REMEMBERED_REQUESTS = 20_000


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """Who asks: the name of the key (authenticated by CURVE) and what the envelope says."""

    client: str
    session: str
    request_id: str


Handler = Callable[[RequestContext, Body], Body]


class ReplayGuard:
    """Remembers the requests that were let through, a limited number of them.

    A repeated `submit` is not refused: the queue answers it with the job it made the first time.
    """

    def __init__(self, *, remembered: int = REMEMBERED_REQUESTS) -> None:
        self._remembered = remembered
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def admit(self, caller: RequestContext, request_type: str) -> None:
        """Raises ReplayedRequestError."""
        if request_type == "submit":
            return
        key = (caller.client, caller.session, caller.request_id)
        if key in self._seen:
            raise ReplayedRequestError(
                f"request {caller.request_id!r} was already answered; give each request its own id"
            )
        self._seen[key] = None
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)


class RequestHandlers:
    """Answers requests; knows no sockets."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        queue: JobQueue,
        daemon_status: Callable[[], Body],
        metrics: Callable[[], str],
        begin_shutdown: Callable[[], None],
        instance: str,
    ) -> None:
        self._dispatcher = dispatcher
        self._queue = queue
        self._daemon_status = daemon_status
        self._metrics_text = metrics
        self._begin_shutdown = begin_shutdown
        self._instance = instance
        self._replays = ReplayGuard()
        self._handlers: Mapping[str, Mapping[str, Handler]] = {
            JOBS: {
                "hello": self._hello,
                "submit": self._submit,
                "job": self._job,
                "jobs": self._jobs,
                "retry": self._retry,
            },
            CONTROL: {
                "hello": self._hello,
                "status": self._status,
                "metrics": self._metrics,
                "cancel": self._cancel,
                "move": self._move,
                "pause": self._pause,
                "resume": self._resume,
                "yield": self._yield,
                "clear": self._clear,
                "shutdown": self._shutdown,
            },
        }

    @property
    def requests(self) -> dict[str, list[str]]:
        """The request types of each channel."""
        return {channel: sorted(handlers) for channel, handlers in self._handlers.items()}

    def answer(self, channel: str, envelope: Envelope, *, client: str) -> Body:
        """The reply's body. Raises SelvaError."""
        caller = RequestContext(client=client, session=envelope.session, request_id=envelope.request_id)
        handler = self._handlers[channel].get(envelope.type)
        if handler is None:
            known = ", ".join(self._handlers[channel])
            raise UnknownRequestError(
                f"{envelope.type!r} is no request of the {channel} channel; known are {known}"
            )
        self._replays.admit(caller, envelope.type)
        return handler(caller, envelope.body)

    # -- both channels -------------------------------------------------------------------------------------

    def _hello(self, caller: RequestContext, body: Body) -> Body:
        FieldReader(body).finish()
        return {
            "protocol": PROTOCOL_VERSION,
            "version": selva_core.__version__,
            "instance": self._instance,
            "client": caller.client,
            "requests": self.requests,
            "limits": {
                "message_bytes": protocol.MAX_MESSAGE_BYTES,
                "depth": protocol.MAX_DEPTH,
                "list_items": protocol.MAX_LIST_ITEMS,
                "prompt_chars": MAX_PROMPT_CHARS,
                "cues_per_job": schema.MAX_CUES,
                "takes_per_cue": MAX_TAKES,
                "stems_per_job": schema.MAX_STEMS,
            },
        }

    # -- jobs ----------------------------------------------------------------------------------------------

    def _submit(self, caller: RequestContext, body: Body) -> Body:
        request = parse_job(body)
        _require_model(request.model)
        if self._dispatcher.draining:
            raise DrainingError("the daemon is stopping and takes no new jobs; start it again first")
        job, created = self._dispatcher.submit(
            request, client=caller.client, session=caller.session, request_id=caller.request_id
        )
        return {
            "job_id": job.job_id,
            "position": self._queue.position(job),
            "created": created,
            "seconds_until_start": self._dispatcher.seconds_until_start(job),
        }

    def _job(self, _: RequestContext, body: Body) -> Body:
        reader = FieldReader(body)
        job_id = reader.text("job_id", max_chars=64)
        reader.finish()
        return self._dispatcher.job_body(self._queue.job(job_id))

    def _jobs(self, _: RequestContext, body: Body) -> Body:
        """The newest jobs, oldest first, without their stems."""
        reader = FieldReader(body)
        states = (
            reader.text_list("states", max_items=len(STATES), max_chars=16) if "states" in body else STATES
        )
        limit = reader.integer("limit", minimum=1, maximum=MAX_LISTED_JOBS, default=100)
        if not states or set(states) - set(STATES):
            reader.refuse("states", f"states are {', '.join(STATES)}")
        reader.finish()
        jobs = self._queue.jobs(states=states, limit=limit)
        return {"jobs": [{**self._dispatcher.job_body(job), "stems": []} for job in jobs]}

    def _retry(self, _: RequestContext, body: Body) -> Body:
        reader = FieldReader(body)
        job_id = reader.text("job_id", max_chars=64)
        reader.finish()
        return self._dispatcher.job_body(self._dispatcher.retry(job_id))

    # -- control -------------------------------------------------------------------------------------------

    def _status(self, _: RequestContext, body: Body) -> Body:
        FieldReader(body).finish()
        return self._daemon_status()

    def _metrics(self, _: RequestContext, body: Body) -> Body:
        FieldReader(body).finish()
        return {"text": self._metrics_text()}

    def _cancel(self, _: RequestContext, body: Body) -> Body:
        """Named jobs, or all that are waiting and running."""
        reader = FieldReader(body)
        every = reader.flag("all", default=False)
        job_ids = (
            reader.text_list("job_ids", max_items=MAX_NAMED_JOBS, max_chars=64) if "job_ids" in body else ()
        )
        if every == bool(job_ids):
            reader.refuse("job_ids", "name jobs, or say all = true")
        reader.finish()
        if every:
            unfinished = self._queue.jobs(states=(QUEUED, RUNNING), limit=1_000_000)
            job_ids = tuple(job.job_id for job in unfinished)
        else:
            for job_id in job_ids:
                self._queue.job(job_id)
        jobs = [self._dispatcher.cancel(job_id) for job_id in job_ids]
        return {"jobs": [{"job_id": job.job_id, "state": job.state} for job in jobs[:MAX_NAMED_JOBS]]}

    def _move(self, _: RequestContext, body: Body) -> Body:
        reader = FieldReader(body)
        job_ids = reader.text_list("job_ids", max_items=MAX_NAMED_JOBS, max_chars=64)
        place = reader.choice("to", allowed=("first", "last"))
        reader.finish()
        self._queue.move(job_ids, to_front=place == "first")
        return {"positions": {job_id: self._queue.position(self._queue.job(job_id)) for job_id in job_ids}}

    def _pause(self, _: RequestContext, body: Body) -> Body:
        FieldReader(body).finish()
        self._dispatcher.set_paused(True)
        return {"paused": True}

    def _resume(self, _: RequestContext, body: Body) -> Body:
        """Ends a pause and a yield."""
        FieldReader(body).finish()
        self._dispatcher.set_device_released(False)
        self._dispatcher.set_paused(False)
        return {"paused": False, "yielded": False}

    def _yield(self, _: RequestContext, body: Body) -> Body:
        FieldReader(body).finish()
        self._dispatcher.set_device_released(True)
        return {"yielded": True}

    def _clear(self, _: RequestContext, body: Body) -> Body:
        """Forget finished jobs; their files stay."""
        FieldReader(body).finish()
        return {"cleared": self._queue.clear_finished(), "states": list(FINISHED_STATES)}

    def _shutdown(self, _: RequestContext, body: Body) -> Body:
        FieldReader(body).finish()
        self._begin_shutdown()
        return {"draining": True}


def _require_model(model_id: str) -> None:
    """Raises InvalidRequestError for a model that is unknown or not installed: better now than when the job runs."""
    try:
        model = find_model(model_id)
    except UnknownModelError as exc:
        raise InvalidRequestError(
            exc.message, fields=[FieldFault("model", exc.message)], **exc.facts
        ) from exc
    if not model.is_bundled and missing_files(model, default_models_dir()):
        message = f"{model_id} is not installed; get it with: {selva_command('models', 'pull', model_id)}"
        raise InvalidRequestError(message, fields=[FieldFault("model", message)], model=model_id)
