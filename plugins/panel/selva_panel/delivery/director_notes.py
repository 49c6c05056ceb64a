"""What comes back from the page that was sent: notes, and choices of takes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from selva_panel.errors import PanelRequestError
from selva_panel.session.records import CHOICES, NOTES_SCHEMA, Note
from selva_panel.session.session import Session

MAX_NOTES = 2000
MAX_CHOICES = 50_000


class NotesFile(Struct, frozen=True, kw_only=True):
    """The file that the page saves. Fields of later versions are passed over."""

    schema: str
    session: str = ""
    cut: str = ""
    notes: Annotated[tuple[Note, ...], Meta(max_length=MAX_NOTES)] = ()
    choices: Annotated[dict[str, str], Meta(max_length=MAX_CHOICES)] = field(default_factory=dict)


def import_notes(session: Session, file: NotesFile, *, session_id: str) -> dict[str, int]:
    """Put notes and choices into the session; notes that are there already are not doubled. Raises PanelRequestError.

    unknown: choices of takes that are not there any more.
    """
    if file.schema != NOTES_SCHEMA:
        raise PanelRequestError(f"notes have the schema {NOTES_SCHEMA}; got {file.schema!r:.60}")
    if file.session and file.session != session_id:
        raise PanelRequestError(
            f"these notes are on another cut, {file.cut!r:.80}; open the panel for that one and import them there"
        )
    known = set(session.record.notes)
    new = [note for note in dict.fromkeys(file.notes) if note not in known]
    session.record.notes.extend(new)
    stems = {stem.id: stem for stem in session.record.stems}
    changed = unknown = 0
    for stem_id, choice in file.choices.items():
        stem = stems.get(stem_id)
        if stem is None or choice not in CHOICES:
            unknown += 1
        elif stem.choice != choice:
            stem.choice = choice
            changed += 1
    session.touch("notes", "stems")
    return {"notes": len(new), "choices": changed, "unknown": unknown}
