"""Errors of the timeline room.

SelvaError                      (selva_core.base.errors)
└── TimelineError               (ValueError) the timeline, or what is asked of it, cannot be used
    ├── TimelineReadError           the file is not a timeline we can read
    ├── TimelineWriteError          (OSError) the timeline cannot be written where it was asked for
    ├── UnsupportedFormatError      no reader or writer for that kind of file
    ├── UnsupportedUrlError         media that is not a file on this machine
    ├── ClockError                  a rate, a time or a timecode label makes no sense
    ├── NothingToSpotError          no picture in it that sound could be made for
    ├── CueError                    a track, a prompt or a cue that is not allowed
    └── BundleUnfilledError         (RuntimeError) some stems of a bundle could not be made
"""

from __future__ import annotations

from selva_core.base.errors import SelvaError


class TimelineError(SelvaError, ValueError):
    """The timeline, or what is asked of it, cannot be used."""

    code = "timeline"


class TimelineReadError(TimelineError):
    """The file is not a timeline we can read."""

    code = "timeline-unreadable"


class TimelineWriteError(TimelineError, OSError):
    """The timeline cannot be written where it was asked for."""

    code = "timeline-unwritable"


class UnsupportedFormatError(TimelineError):
    """There is no reader or writer for that kind of file."""

    code = "timeline-format"


class UnsupportedUrlError(TimelineError):
    """The media is not a file on this machine."""

    code = "timeline-media-url"


class ClockError(TimelineError):
    """A rate, a time or a timecode label makes no sense."""

    code = "timeline-clock"


class NothingToSpotError(TimelineError):
    """There is no picture in the timeline that sound could be made for."""

    code = "timeline-nothing-to-spot"


class CueError(TimelineError):
    """A track, a prompt or a cue is not allowed."""

    code = "timeline-cue"


class BundleUnfilledError(TimelineError, RuntimeError):
    """Some stems of a bundle could not be made; those that could lie in it."""

    code = "bundle-unfilled"
