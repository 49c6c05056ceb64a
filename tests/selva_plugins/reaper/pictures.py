"""Draws the dialogs for docs/hosts/reaper.md from what the real scripts show in the double.

python -m tests.selva_plugins.reaper.pictures docs/pictures
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from selva_plugins.errors import NothingToRenderError
from tests.selva_plugins.reaper.double import InputDialog, Item, Profile, Source, World
from tests.selva_plugins.reaper.double.canvas import load_font
from tests.selva_plugins.reaper.scenes import (
    CHECK,
    GENERATE,
    JOB_LIST,
    FakeBridge,
    plan_for,
    project_with,
    run_action,
    type_sounds,
)

SOUNDS = ("Dog: small dog barking", "Steps: boots on wet gravel", "Bell: bicycle bell | not: music")

_ROW_PX, _CAPTION_PX, _FIELD_PX, _MARGIN_PX = 26, 290, 380, 14


def draw_all(folder: Path) -> list[Path]:
    """All pictures into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        world = World(Profile(system="Win64"), Path(home))
        item = Item.showing(Source.video("/media/bikes.mp4", 10.0), position_s=3.0, length_s=8.0)
        other = Item.showing(Source.video("/media/alley.mov", 10.0), position_s=12.0, length_s=4.0)
        project_with(world, item, other)
        bridge = FakeBridge(world)
        drawn = [
            _draw_prompts(world, folder),
            _draw_progress(world, bridge, folder),
            _draw_result(world, bridge, item, other, folder),
            _draw_job_list(world, bridge, folder),
            _draw_check(world, bridge, folder),
        ]
        world.quit()
        world.assert_clean()
    return drawn


def _save(world: World, path: Path) -> Path:
    world.canvas.save(path)
    return path


def _draw_prompts(world: World, folder: Path) -> Path:
    world.input_answers.append(type_sounds(*SOUNDS, Takes="2", Handles="0.5"))
    run_action(world, GENERATE)
    world.tick(3)
    dialog = world.input_dialogs[-1]
    shown = type_sounds(*SOUNDS, Takes="2", Handles="0.5")(dialog)
    path = folder / "reaper-sounds.png"
    _draw_input_dialog(InputDialog(title=dialog.title, captions=dialog.captions, values=shown)).save(path)
    return path


def _draw_input_dialog(dialog: InputDialog) -> Image.Image:
    """REAPER's own dialog, drawn plainly: a caption and a text field per row."""
    height = (len(dialog.captions) + 2) * _ROW_PX + 2 * _MARGIN_PX
    image = Image.new("RGB", (_CAPTION_PX + _FIELD_PX + 3 * _MARGIN_PX, height), (236, 236, 236))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, image.width, _ROW_PX), fill=(214, 214, 214))
    draw.text((_MARGIN_PX, 6), dialog.title, fill=(20, 20, 20), font=load_font(15, True))
    y = _ROW_PX + _MARGIN_PX
    for caption, value in zip(dialog.captions, dialog.values, strict=True):
        draw.text((_MARGIN_PX, y + 5), caption, fill=(20, 20, 20), font=load_font(14, False))
        left = _CAPTION_PX + 2 * _MARGIN_PX
        draw.rectangle(
            (left, y + 1, left + _FIELD_PX, y + _ROW_PX - 3), fill=(255, 255, 255), outline=(150, 150, 150)
        )
        draw.text((left + 6, y + 5), value, fill=(20, 20, 20), font=load_font(14, False))
        y += _ROW_PX
    for index, label in enumerate(("OK", "Cancel")):
        right = image.width - _MARGIN_PX - (1 - index) * 100
        draw.rectangle(
            (right - 90, y + 6, right, y + _ROW_PX + 4), fill=(250, 250, 250), outline=(150, 150, 150)
        )
        draw.text((right - 60, y + 11), label, fill=(20, 20, 20), font=load_font(14, False))
    return image


def _draw_progress(world: World, bridge: FakeBridge, folder: Path) -> Path:
    bridge.report_progress("1 of 2: bikes.mp4: sampling (step 12 of 25)", 0.43, 14.0)
    world.tick(12)
    return _save(world, folder / "reaper-progress.png")


def _draw_result(world: World, bridge: FakeBridge, item: Item, other: Item, folder: Path) -> Path:
    plan = [plan_for(world, item, num_takes=2), plan_for(world, item, track="Steps", cue="2", num_takes=2)]
    plan.append(plan_for(world, other, cue="3"))
    world.project.track_of(other).items.remove(other)
    notice = (
        "selva-nano was not trained for this prompt, and may make no sound or another one; "
        "a published model knows more: see `selva models list` and `selva models pull`"
    )
    bridge.finish(plan, notices=[notice])
    world.tick(30)
    return _save(world, folder / "reaper-result.png")


def _draw_job_list(world: World, bridge: FakeBridge, folder: Path) -> Path:
    world.input_answers.append(type_sounds("Rain: rain on a tin roof"))
    run_action(world, GENERATE)
    world.tick(3)
    bridge.folder.write_failed(
        NothingToRenderError("there is no file at D:\\Rushes\\alley.mov; relink the clip"), []
    )
    world.clock_s += 2.0
    world.tick(12)
    run_action(world, JOB_LIST)
    world.tick(12)
    return _save(world, folder / "reaper-jobs.png")


def _draw_check(world: World, bridge: FakeBridge, folder: Path) -> Path:
    world.quit()
    run_action(world, CHECK)
    world.tick(3)
    rows = [
        ("Bridge 0.1.0", "Protocol 1, Python 3.12.4 at C:\\Selva\\.venv\\Scripts\\pythonw.exe", "ok"),
        (
            "Daemon 0.1.0",
            "Device: cuda. No jobs waiting. Log: C:\\Users\\me\\AppData\\Local\\selva-bridge\\daemon.log",
            "ok",
        ),
        (
            "Models",
            "Installed: selva-nano. Not installed: selva-small-16k, selva-large-44k; selva models pull fetches them.",
            "ok",
        ),
    ]
    checks = [{"title": title, "text": text, "level": level} for title, text, level in rows]
    bridge.folder.write_ready("checked", [], checks=checks)
    world.tick(3)
    return _save(world, folder / "reaper-check.png")


if __name__ == "__main__":
    for picture in draw_all(Path(sys.argv[1])):
        sys.stdout.write(f"{picture}\n")
