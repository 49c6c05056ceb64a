"""What Resolve, ProjectManager, Project, MediaPool, Folder and MediaPoolItem answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.answers import Opened
from tests.selva_plugins.resolve.double.append import append_to_timeline
from tests.selva_plugins.resolve.double.markers import marker_calls
from tests.selva_plugins.resolve.double.riff import read_wav_format

if TYPE_CHECKING:
    from tests.selva_plugins.resolve.double.host import Host

Calls = dict[str, Callable[..., Any]]
_PAGES = ("media", "cut", "edit", "fusion", "color", "fairlight", "deliver")


def _open_page(host: Host, _target: Host, page: str) -> bool:
    if page not in _PAGES:
        return False
    host.page = page
    return True


def _version_fields(host: Host, _target: Host) -> list[int | str]:
    return [*host.build.version, 17, ""]


def _save_project(host: Host, _target: Host) -> bool | None:
    if not host.project.saved_once:
        return False
    host.project.num_saves += 1
    for timeline in host.project.timelines:
        for tracks in timeline.tracks.values():
            for track in tracks:
                track.items = [item for item in track.items if not item.fragile]
    return None if host.build.save_returns_none else True


_RESOLVE: Calls = {
    "GetProjectManager": lambda host, _target: Opened("ProjectManager", host),
    "Fusion": lambda host, _target: Opened("Fusion", host),
    "GetCurrentPage": lambda host, _target: host.page,
    "OpenPage": _open_page,
    "GetProductName": lambda host, _target: host.build.product_name,
    "GetVersion": _version_fields,
    "GetVersionString": lambda host, _target: ".".join(str(field) for field in host.build.version) + ".17",
    "IsStudio": lambda host, _target: host.build.edition == "studio",
    "GetCurrentProject": lambda host, _target: host.project,
    "GetCurrentTimeline": lambda host, _target: host.project.current_timeline,
    "GetMediaPool": lambda host, _target: Opened("MediaPool", host.project),
}

_PROJECT_MANAGER: Calls = {
    "GetCurrentProject": lambda host, _target: host.project,
    "SaveProject": _save_project,
}


# -- project ---------------------------------------------------------------------------------------------


def setting_of(host: Host, rate: Fraction, drop_frame: bool, rest: dict[str, str]) -> dict[str, Any]:
    """Settings as scripts read them: the frame rate a number, everything else text."""
    number: Any = model.reported_rate(rate)
    if host.build.frame_rate_text:
        number = f"{number:g}" + (" DF" if drop_frame else "")
    return {
        "timelineSampleRate": "48000",
        "timelineResolutionWidth": "1920",
        "timelineResolutionHeight": "1080",
        **rest,
        "timelineFrameRate": number,
        "timelineDropFrameTimecode": "1" if drop_frame else "0",
    }


def _project_settings(host: Host, project: model.Project) -> dict[str, Any]:
    return setting_of(host, project.rate, project.drop_frame, project.settings)


def _project_setting(host: Host, project: model.Project, name: str = "") -> Any:
    settings = _project_settings(host, project)
    return settings.get(name, "") if name else settings


def _set_current_timeline(host: Host, project: model.Project, timeline: model.Timeline) -> bool:
    if timeline not in project.timelines:
        return False
    host.switch_timeline(timeline)
    return True


def _timeline_by_index(_host: Host, project: model.Project, index: int) -> model.Timeline | None:
    return project.timelines[index - 1] if 1 <= index <= len(project.timelines) else None


_PROJECT: Calls = {
    "GetName": lambda _host, project: project.name,
    "GetUniqueId": lambda _host, project: project.uid,
    "GetMediaPool": lambda _host, project: Opened("MediaPool", project),
    "GetCurrentTimeline": lambda _host, project: project.current_timeline,
    "SetCurrentTimeline": _set_current_timeline,
    "GetTimelineCount": lambda _host, project: len(project.timelines),
    "GetTimelineByIndex": _timeline_by_index,
    "GetSetting": _project_setting,
    "GetSettings": _project_settings,
}


# -- media pool ------------------------------------------------------------------------------------------


def _add_sub_folder(_host: Host, project: model.Project, parent: model.Folder, name: str) -> model.Folder:
    folder = model.Folder(name)
    parent.folders.append(folder)
    project.current_folder = folder
    return folder


def _set_current_folder(_host: Host, project: model.Project, folder: model.Folder | None) -> bool:
    if folder is None or folder not in project.root.walk():
        return False
    project.current_folder = folder
    return True


def _import_media(host: Host, project: model.Project, entries: list[Any]) -> list[model.Media]:
    """Files come into the current bin; the form of the entries is the one this version documents."""
    wanted = dict if host.build.import_form == "dicts" else str
    imported: list[model.Media] = []
    for entry in entries:
        if not isinstance(entry, wanted):
            return []
        path = entry["FilePath"] if isinstance(entry, dict) else entry
        media = _import_file(host, project, path)
        if media is not None:
            imported.append(media)
    return imported


def _import_file(host: Host, project: model.Project, path: str) -> model.Media | None:
    shown = os.path.realpath(path) if host.build.resolves_symlinks else path
    if host.build.duplicate_imports == "reuse":
        for media in project.all_media():
            if media.path == shown:
                return media
    wav = read_wav_format(Path(path))
    if wav is None:
        return None
    first_frame = Fraction(wav.time_reference_samples, wav.sample_rate_hz) * model.nominal_rate(project.rate)
    media = model.Media(
        name=Path(shown).name,
        kind="audio",
        fps=project.rate,
        duration_s=wav.duration_s,
        path=shown,
        start_timecode=model.timecode_of_frames(int(first_frame), project.rate),
        channels=wav.channels,
        sample_rate_hz=wav.sample_rate_hz,
    )
    assert project.current_folder is not None
    project.current_folder.media.append(media)
    return media


def _delete_media(_host: Host, project: model.Project, clips: list[model.Media]) -> bool:
    for folder in project.root.walk():
        folder.media = [media for media in folder.media if media not in clips]
    for timeline in project.timelines:
        for tracks in timeline.tracks.values():
            for track in tracks:
                track.items = [item for item in track.items if item.media not in clips]
    return True


def _delete_folders(_host: Host, project: model.Project, folders: list[model.Folder]) -> bool:
    for folder in project.root.walk():
        folder.folders = [inner for inner in folder.folders if inner not in folders]
    if project.current_folder in folders:
        project.current_folder = project.root
    return True


def _create_empty_timeline(host: Host, project: model.Project, name: str) -> model.Timeline | None:
    taken = any(timeline.name == name for timeline in project.timelines)
    if taken or not name or set(name) & model.ILLEGAL_IN_TIMELINE_NAMES:
        return None
    timeline = model.Timeline(name, project.rate, "01:00:00:00", project.drop_frame)
    project.timelines.append(timeline)
    host.switch_timeline(timeline)
    return timeline


_MEDIA_POOL: Calls = {
    "GetRootFolder": lambda _host, project: project.root,
    "AddSubFolder": _add_sub_folder,
    "GetCurrentFolder": lambda _host, project: project.current_folder,
    "SetCurrentFolder": _set_current_folder,
    "ImportMedia": _import_media,
    "AppendToTimeline": append_to_timeline,
    "DeleteClips": _delete_media,
    "DeleteFolders": _delete_folders,
    "CreateEmptyTimeline": _create_empty_timeline,
}

_FOLDER: Calls = {
    "GetName": lambda _host, folder: folder.name,
    "GetClipList": lambda _host, folder: list(folder.media),
    "GetSubFolderList": lambda _host, folder: list(folder.folders),
    "GetUniqueId": lambda _host, folder: folder.uid,
}


# -- media pool item -------------------------------------------------------------------------------------


def clip_properties(host: Host, media: model.Media) -> dict[str, Any]:
    """The properties scripts read; the value of "Type" is translated, an audio file has no "Frames"."""
    kinds = ("video+audio", "video", "audio", "timeline", "compound")
    drop_frame = ";" in media.start_timecode
    first = model.frames_of_timecode(media.start_timecode, media.fps)

    def label(frame: int) -> str:
        return model.timecode_of_frames(frame, media.fps, drop_frame=drop_frame)

    return {
        "Clip Name": media.name,
        "File Path": media.path,
        "File Name": Path(media.path).name if media.path else "",
        "FPS": model.reported_rate(media.fps),
        "Frames": "" if media.kind == "audio" else str(media.num_frames),
        "Duration": label(media.num_frames),
        "Start TC": media.start_timecode,
        "End TC": label(first + media.num_frames),
        "Start": str(media.subclip_start),
        "End": str(media.subclip_start + media.num_frames - 1),
        "Drop frame": "1" if drop_frame else "0",
        "Audio Ch": str(media.channels) if media.has_audio else "0",
        "Sample Rate": str(media.sample_rate_hz) if media.has_audio else "",
        "Usage": str(_usage(host, media)),
        "Type": host.build.type_names[kinds.index(media.kind)],
        "Online Status": "Online" if media.online else "Offline",
    }


def _usage(host: Host, media: model.Media) -> int:
    tracks = [
        track for timeline in host.project.timelines for kind in timeline.tracks.values() for track in kind
    ]
    return sum(item.media is media for track in tracks for item in track.items)


def _clip_property(host: Host, media: model.Media, name: str = "") -> Any:
    properties = clip_properties(host, media)
    return properties.get(name, "") if name else properties


def _set_named(values: dict[str, str], key: str | dict[str, str], value: str = "") -> bool:
    values.update(key if isinstance(key, dict) else {key: value})
    return True


def _set_name(_host: Host, media: model.Media, name: str) -> bool:
    media.name = name
    return True


_MEDIA_POOL_ITEM: Calls = {
    "GetName": lambda _host, media: media.name,
    "SetName": _set_name,
    "GetUniqueId": lambda _host, media: media.uid,
    "GetMediaId": lambda _host, media: media.uid,
    "GetClipProperty": _clip_property,
    "GetTimeline": lambda _host, media: media.nested if media.kind == "timeline" else None,
    "GetMetadata": lambda _host, media, key="": media.metadata.get(key, "") if key else dict(media.metadata),
    "SetMetadata": lambda _host, media, key, value="": _set_named(media.metadata, key, value),
    "GetThirdPartyMetadata": lambda _host, media, key="": (
        media.third_party.get(key, "") if key else dict(media.third_party)
    ),
    "SetThirdPartyMetadata": lambda _host, media, key, value="": _set_named(media.third_party, key, value),
    **marker_calls(),
}

PROJECT_CALLS: dict[str, Calls] = {
    "Resolve": _RESOLVE,
    "ProjectManager": _PROJECT_MANAGER,
    "Project": _PROJECT,
    "MediaPool": _MEDIA_POOL,
    "Folder": _FOLDER,
    "MediaPoolItem": _MEDIA_POOL_ITEM,
}
