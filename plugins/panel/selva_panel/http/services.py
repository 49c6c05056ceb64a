"""Everything that the routes of one panel work with, made and ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from selva_core.base.paths import AppPaths
from selva_panel.delivery.deliveries import Deliveries
from selva_panel.delivery.targets import PlaceTarget
from selva_panel.http.security import AccessControl
from selva_panel.jobs.daemon_link import DaemonLink
from selva_panel.jobs.model_pulls import ModelPulls
from selva_panel.jobs.work import PanelWork
from selva_panel.media.flat_cut import list_sound_parts
from selva_panel.media.library import MediaLibrary
from selva_panel.session.session import Session
from selva_panel.session.store import SessionStore
from selva_panel.timeline.cut import Cut


@dataclass(kw_only=True)
class Services:
    """One open cut and what works on it. For the thread of the event loop."""

    paths: AppPaths
    session_id: str
    session: Session
    library: MediaLibrary
    access: AccessControl
    link: DaemonLink
    work: PanelWork
    deliveries: Deliveries
    models: ModelPulls
    _polling: asyncio.Task[None] | None = None

    @classmethod
    def open(
        cls,
        cut: Cut,
        *,
        paths: AppPaths,
        session_id: str,
        port: int,
        hosts: Sequence[PlaceTarget] = (),
    ) -> Services:
        """Raises StorageError."""
        session = Session(cut, SessionStore(paths, session_id))
        session.has_production = bool(list_sound_parts(cut))
        link = DaemonLink(session, paths)
        return cls(
            paths=paths,
            session_id=session_id,
            session=session,
            library=MediaLibrary(cut, paths.cache / "panel"),
            access=AccessControl(port),
            link=link,
            work=PanelWork(session, link, cut.stems_folder()),
            deliveries=Deliveries(session, hosts),
            models=ModelPulls(link, paths),
        )

    def start(self) -> None:
        """Look after the daemon, and watch the jobs that an earlier run has left with it."""
        self._polling = asyncio.create_task(self.link.run())
        self.work.resume()

    async def close(self) -> None:
        """Jobs go on in the daemon; the session is saved. Raises StorageError."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self.models.close()
        await self.work.close()
        self.link.close()
        await asyncio.to_thread(self.library.close)
        self.deliveries.close()
        self.session.close()
