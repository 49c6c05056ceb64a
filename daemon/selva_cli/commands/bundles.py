"""What `selva render` and `selva spot` do with request bundles: fill them, show what they ask for."""

from __future__ import annotations

import sys
from pathlib import Path

from selva_cli.commands.render_commands import finish_report, show_cues
from selva_cli.terminal.error_reporting import report_errors
from selva_cli.terminal.progress_bars import RenderBars
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_otio.errors import CueError
from selva_otio.formats.profiles import find_profile
from selva_otio.formats.request_bundle.bundle_folder import RequestBundle
from selva_otio.formats.request_bundle.bundle_zip import open_request_bundle
from selva_otio.timelines import check_timeline_target
from selva_render.bundles import build_render_options, fill_bundle, opened_for_filling
from selva_render.media import probe_or_none
from selva_render.options import OutputOptions, check_options, choose_model
from selva_render.spot_report import SpotReport, estimate_from_running_daemon
from selva_render.written_timelines import check_replaceable


def run_render_bundle(
    cut: Path, output: Path | None, *, model: str | None, host: str | None, replaces: bool, as_json: bool
) -> None:
    """Fill a bundle. Refusals come before the daemon is started, those of `output` before a .selvaz is unpacked."""
    with report_errors(as_json=as_json):
        profile = find_profile(host)
        if output is not None:
            check_timeline_target(output, profile=profile)
            if not replaces:
                check_replaceable(output, (), AppPaths.find())
        with opened_for_filling(cut) as bundle:
            _check_model(bundle, model)
            options = build_render_options(bundle, model=model)
            files = OutputOptions(stems_folder=bundle.stems_folder, timeline=output, profile=profile)
            check_options(options, files)
            sheet = bundle.spot()
            if output is not None and not replaces:
                check_replaceable(output, (cue.track for cue in sheet.cues), AppPaths.find())
            with (
                Client.connect(start_if_needed=True) as client,
                RenderBars(num_clips=len(sheet.clips)) as bars,
            ):
                report = fill_bundle(
                    bundle, options, files, client=client, on_status=bars, probe=probe_or_none
                )
    if not as_json:
        sys.stdout.write(f"bundle: {cut}\n")
    finish_report(report, as_json=as_json)


def run_spot_bundle(cut: Path, *, model: str | None, as_json: bool, as_csv: bool) -> None:
    with report_errors(as_json=as_json), open_request_bundle(cut) as bundle:
        options = bundle.options.render
        report = SpotReport(
            sheet=bundle.spot(),
            num_takes=options.num_takes,
            seconds_per_stem=estimate_from_running_daemon(choose_model(model or options.model)),
        )
    show_cues(report, as_json=as_json, as_csv=as_csv)


def _check_model(bundle: RequestBundle, model: str | None) -> None:
    """Stems of another model than the bundle names would not count as its stems. Raises CueError."""
    named = bundle.options.render.model
    if model is not None and named is not None and model != named:
        raise CueError(f"the bundle asks for the model {named}; write it again to have it made by {model}")
