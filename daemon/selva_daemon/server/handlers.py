"""The requests of the protocol, one method each: a checked body comes in, a reply's body goes out.

docs/reference/protocol.md describes them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError, UnknownModelError
from selva_core.base.limits import MAX_PROMPT_CHARS, MAX_TAKES
from selva_core.base.schema import FieldFault
from selva_core.models.catalog import (
    Model,
    default_models_dir,
    find_model,
    listed_models,
    missing_files,
    require_allowed,
)
from selva_daemon.jobs.dispatcher import Dispatcher
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.protocol import envelope, requests
from selva_daemon.protocol.body import parse_body
from selva_daemon.protocol.errors import (
    DrainingError,
    InvalidRequestError,
    ReplayedRequestError,
    UnknownRequestError,
)
from selva_daemon.protocol.job import MAX_CUES, MAX_STEMS, JobRequest
from selva_daemon.protocol.requests import RequestType
from selva_daemon.protocol.status import FINISHED_STATES, DaemonStatus, JobStatus, ModelStatus, Submitted

MAX_REMEMBERED_REQUESTS = 20_000


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """Where a request comes from: the name of the key (authenticated by CURVE) and what the envelope says."""

    client: str
    session: str
    request_id: str


Handler = Callable[[RequestContext, Any], object]


class ReplayGuard:
    """Remembers the requests that were handled, a limited number of them.

    A repeated `submit` is not refused: the queue answers it with the job it made the first time.
    """

    def __init__(self, *, max_remembered: int = MAX_REMEMBERED_REQUESTS) -> None:
        self._max_remembered = max_remembered
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def admit(self, context: RequestContext, request_type: str) -> None:
        """Raises ReplayedRequestError."""
        if request_type == requests.SUBMIT.name:
            return
        key = (context.client, context.session, context.request_id)
        if key in self._seen:
            raise ReplayedRequestError(
                f"request {context.request_id!r} was already answered; give each request its own id"
            )
        self._seen[key] = None
        if len(self._seen) > self._max_remembered:
            self._seen.popitem(last=False)


class RequestHandlers:
    """Handles requests; knows no sockets."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        queue: JobQueue,
        daemon_status: Callable[[], DaemonStatus],
        metrics: Callable[[], str],
        begin_shutdown: Callable[[], None],
        instance: str,
        loads_in_advance: bool = True,
    ) -> None:
        self._dispatcher = dispatcher
        self._queue = queue
        self._daemon_status = daemon_status
        self._metrics_text = metrics
        self._begin_shutdown = begin_shutdown
        self._instance = instance
        self._loads_in_advance = loads_in_advance
        self._replays = ReplayGuard()
        handlers: Mapping[RequestType[Any, Any], Handler] = {
            requests.HELLO: self._hello,
            requests.SUBMIT: self._submit,
            requests.JOB: self._job,
            requests.JOBS_LIST: self._jobs,
            requests.RETRY: self._retry,
            requests.MODELS: self._models,
            requests.PREPARE: self._prepare,
            requests.STATUS: self._status,
            requests.METRICS: self._metrics,
            requests.CANCEL: self._cancel,
            requests.MOVE: self._move,
            requests.PAUSE: self._pause,
            requests.RESUME: self._resume,
            requests.YIELD: self._yield,
            requests.CLEAR: self._clear,
            requests.SHUTDOWN: self._shutdown,
        }
        self._by_channel = {
            channel: {
                kind.name: (kind, handlers[kind]) for kind in requests.REQUESTS if channel in kind.channels
            }
            for channel in (requests.JOBS, requests.CONTROL)
        }

    @property
    def request_types(self) -> dict[str, tuple[str, ...]]:
        """The request types of each channel."""
        return {channel: tuple(sorted(kinds)) for channel, kinds in self._by_channel.items()}

    def handle(self, channel: str, request: envelope.Envelope, *, client: str) -> object:
        """The reply's body. Raises SelvaError."""
        context = RequestContext(client=client, session=request.session, request_id=request.request_id)
        kinds = self._by_channel[channel]
        if request.type not in kinds:
            raise UnknownRequestError(
                f"{request.type!r} is no request of the {channel} channel; known are {', '.join(kinds)}"
            )
        kind, handler = kinds[request.type]
        self._replays.admit(context, request.type)
        return handler(context, parse_body(request.body, kind.body))

    # -- both channels -------------------------------------------------------------------------------------

    def _hello(self, context: RequestContext, _: requests.NoBody) -> requests.HelloReply:
        return requests.HelloReply(
            protocol=envelope.PROTOCOL_VERSION,
            version=selva_core.__version__,
            instance=self._instance,
            client=context.client,
            requests=self.request_types,
            limits=requests.Limits(
                message_bytes=envelope.MAX_MESSAGE_BYTES,
                depth=envelope.MAX_DEPTH,
                list_items=envelope.MAX_LIST_ITEMS,
                prompt_chars=MAX_PROMPT_CHARS,
                cues_per_job=MAX_CUES,
                takes_per_cue=MAX_TAKES,
                stems_per_job=MAX_STEMS,
            ),
        )

    def _models(self, _: RequestContext, _body: requests.NoBody) -> requests.ModelsReply:
        loaded = {model.model for model in self._daemon_status().models}
        folder = default_models_dir()
        return requests.ModelsReply(
            models=tuple(
                _describe_model(model, folder, is_loaded=model.model_id in loaded)
                for model in listed_models()
            )
        )

    def _prepare(self, _: RequestContext, body: requests.PrepareBody) -> requests.PrepareReply:
        _require_model(body.model)
        return requests.PrepareReply(
            loading=self._loads_in_advance and self._dispatcher.load_in_advance(body.model)
        )

    # -- jobs ----------------------------------------------------------------------------------------------

    def _submit(self, context: RequestContext, request: JobRequest) -> Submitted:
        _require_model(request.model)
        if self._dispatcher.draining:
            raise DrainingError("the daemon is stopping and takes no new jobs; start it again first")
        job, created = self._dispatcher.submit(
            request, client=context.client, session=context.session, request_id=context.request_id
        )
        return Submitted(
            job_id=job.job_id,
            position=self._dispatcher.position(job),
            created=created,
            seconds_until_start=self._dispatcher.seconds_until_start(job),
        )

    def _job(self, _: RequestContext, body: requests.JobBody) -> JobStatus:
        return self._dispatcher.job_status(self._queue.job(body.job_id))

    def _jobs(self, _: RequestContext, body: requests.JobsBody) -> requests.JobsReply:
        """Without stems: 500 jobs with theirs can be larger than a reply may be."""
        jobs = self._queue.jobs(states=body.states, limit=body.limit)
        statuses = self._dispatcher.job_statuses(jobs)
        return requests.JobsReply(
            jobs=tuple(msgspec.structs.replace(status, stems=()) for status in statuses)
        )

    def _retry(self, _: RequestContext, body: requests.JobBody) -> JobStatus:
        return self._dispatcher.job_status(self._dispatcher.retry(body.job_id))

    # -- control -------------------------------------------------------------------------------------------

    def _status(self, _: RequestContext, _body: requests.NoBody) -> DaemonStatus:
        return self._daemon_status()

    def _metrics(self, _: RequestContext, _body: requests.NoBody) -> requests.MetricsReply:
        return requests.MetricsReply(text=self._metrics_text())

    def _cancel(self, _: RequestContext, body: requests.CancelBody) -> requests.CancelReply:
        """An unknown id cancels nothing at all, so that a mistyped list is not half carried out."""
        if body.all:
            states, num_jobs = self._dispatcher.cancel_all(max_named=requests.MAX_NAMED_JOBS)
        else:
            states = self._dispatcher.cancel(body.job_ids)
            num_jobs = len(states)
        return requests.CancelReply(
            jobs=tuple(requests.JobState(job_id=job_id, state=state) for job_id, state in states.items()),
            num_jobs=num_jobs,
        )

    def _move(self, _: RequestContext, body: requests.MoveBody) -> requests.MoveReply:
        positions = self._dispatcher.move(
            body.job_ids, to_front=body.to == requests.FIRST, max_named=envelope.MAX_MAP_ITEMS
        )
        return requests.MoveReply(positions=positions)

    def _pause(self, _: RequestContext, _body: requests.NoBody) -> requests.PauseReply:
        self._dispatcher.set_paused(True)
        return requests.PauseReply(paused=True)

    def _resume(self, _: RequestContext, _body: requests.NoBody) -> requests.ResumeReply:
        """Ends a pause and a yield."""
        self._dispatcher.resume_device()
        self._dispatcher.set_paused(False)
        return requests.ResumeReply(paused=False, yielded=False)

    def _yield(self, _: RequestContext, _body: requests.NoBody) -> requests.YieldReply:
        self._dispatcher.release_device()
        return requests.YieldReply(yielded=True)

    def _clear(self, _: RequestContext, _body: requests.NoBody) -> requests.ClearReply:
        """Forget finished jobs; their files stay."""
        return requests.ClearReply(cleared=self._queue.clear_finished(), states=FINISHED_STATES)

    def _shutdown(self, _: RequestContext, _body: requests.NoBody) -> requests.ShutdownReply:
        self._begin_shutdown()
        return requests.ShutdownReply(draining=True)


def _describe_model(model: Model, folder: Path, *, is_loaded: bool) -> ModelStatus:
    missing = missing_files(model, folder)
    return ModelStatus(
        model=model.model_id,
        knows=model.knows,
        installed=not missing,
        loaded=is_loaded,
        bundled=model.is_bundled,
        size_bytes=model.size_bytes,
        missing_files=tuple(file.path for file in missing.values()),
        licences=tuple(licence.sentence for licence in model.licences),
    )


def _require_model(model_id: str) -> None:
    """Raises InvalidRequestError for a model that is unknown or not installed, before the job waits for nothing."""
    try:
        model = find_model(model_id)
    except UnknownModelError as exc:
        raise InvalidRequestError(
            exc.message, fields=[FieldFault("model", exc.message)], **exc.facts
        ) from exc
    try:
        require_allowed(model)
    except ConfigurationError as exc:
        raise InvalidRequestError(
            exc.message, fields=[FieldFault("model", exc.message)], model=model_id
        ) from exc
    if not model.is_bundled and missing_files(model, default_models_dir()):
        message = f"{model_id} is not installed; get it with: {selva_command('models', 'pull', model_id)}"
        raise InvalidRequestError(message, fields=[FieldFault("model", message)], model=model_id)
