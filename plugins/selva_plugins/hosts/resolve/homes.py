"""Where Resolve keeps what belongs to its scripts, for each installation of this user.

Folders: Blackmagic's scripting README, and what users found where it is wrong (the user tree on Windows has a `Support` part,
the App Store edition lives in a container).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from selva_core.base.paths import AppPaths
from selva_plugins.errors import HostSetupError
from selva_plugins.hosts.resolve.agent.messages import MessageFolder
from selva_plugins.hosts.script_install import Machine, ScriptFolder, build_owner_tag, program_data_folder

MENU_FOLDER = "Selva"


@dataclass(frozen=True)
class ResolveHome:
    """The Fusion folders of one installation of Resolve for one user, and the folder where messages are exchanged with it."""

    label: str
    fusion_folder: Path
    exchange: MessageFolder

    @property
    def menu_folder(self) -> Path:
        """What Workspace > Scripts > Selva lists; `Utility` is shown on every page."""
        return self.fusion_folder / "Scripts" / "Utility" / MENU_FOLDER

    @property
    def menu(self) -> ScriptFolder:
        """The menu folder as the installer sees it. The record lies outside, where Resolve cannot list it."""
        record = self.exchange.folder / f"installed-{build_owner_tag(self.fusion_folder)}.json"
        return ScriptFolder(folder=self.menu_folder, record=record)

    @property
    def profiles_folder(self) -> Path:
        """One folder per profile, each with its own Fusion.prefs."""
        return self.fusion_folder / "Profiles"

    @property
    def has_resolve(self) -> bool:
        """Whether Resolve has ever run for this user; a folder that only holds our own scripts does not count."""
        tree = self.fusion_folder.parent
        others = [entry for entry in tree.iterdir() if entry != self.fusion_folder] if tree.is_dir() else []
        return self.profiles_folder.is_dir() or bool(others)


def choose_homes(resource_path: Path | None) -> list[ResolveHome]:
    """Every Resolve of this user, or the one whose Fusion folder is named. Raises HostSetupError."""
    homes = find_homes(AppPaths.find().state)
    if resource_path is None:
        return homes
    folder = resource_path.absolute()
    if not folder.is_dir():
        raise HostSetupError(
            f"there is no folder {folder}; name the folder Fusion of a Resolve, which holds Scripts and Profiles"
        )
    if not _is_fusion_folder(folder):
        inner = next(
            (path for path in (folder / "Fusion", folder / "Support" / "Fusion") if path.is_dir()), None
        )
        hint = f"is it {inner}?" if inner else f"this user's is {homes[0].fusion_folder}"
        raise HostSetupError(
            f"{folder} is not of a Resolve: the folder to name is called Fusion and holds Scripts or Profiles; {hint}"
        )
    # What Resolve opens in a container has to lie in the container.
    owner = next((home for home in homes if home.fusion_folder == folder), homes[0])
    return [replace(owner, fusion_folder=folder)]


def _is_fusion_folder(folder: Path) -> bool:
    """Whether a folder is what Resolve calls Fusion: by its name, or by what Resolve and we make in it."""
    return folder.name.lower() == "fusion" or any(
        (folder / name).is_dir() for name in ("Profiles", "Scripts")
    )


def find_homes(state_folder: Path, machine: Machine | None = None) -> list[ResolveHome]:
    """The user's own Fusion folder and, on macOS, those in each container of an App Store edition.

    Raises HostSetupError.
    """
    machine = machine or Machine()
    exchange = MessageFolder(_choose_ascii_folder(state_folder / "resolve", machine))
    vendor = Path("Blackmagic Design", "DaVinci Resolve")
    if machine.platform == "win32":
        roaming = Path(machine.environment.get("APPDATA") or machine.home / "AppData" / "Roaming")
        return [ResolveHome("DaVinci Resolve", roaming / vendor / "Support" / "Fusion", exchange)]
    if machine.platform != "darwin":
        data = machine.home / ".local" / "share" / "DaVinciResolve"
        return [ResolveHome("DaVinci Resolve", data / "Fusion", exchange)]
    support = Path("Library", "Application Support")
    homes = [ResolveHome("DaVinci Resolve", machine.home / support / vendor / "Fusion", exchange)]
    for container in sorted(machine.home.glob("Library/Containers/com.blackmagic-design.*/Data")):
        # The sandbox lets the application reach nothing outside its container.
        contained = MessageFolder(container / "selva-bridge")
        homes += [
            ResolveHome("DaVinci Resolve (App Store)", tree / "Fusion", contained)
            for tree in _list_container_trees(container / support, vendor)
        ]
    return homes


def _list_container_trees(support: Path, vendor: Path) -> list[Path]:
    """The folders of a container that hold Fusion: with and without the vendor's folders, which both were seen.

    Which one a Resolve lists is known only once it has run, so that both get the entries until one of them is there; where
    both are, earlier versions may have made either.
    """
    trees = {support / vendor: (support / vendor).is_dir(), support: (support / "Fusion").is_dir()}
    return [tree for tree, is_there in trees.items() if is_there] or list(trees)


def _choose_ascii_folder(folder: Path, machine: Machine) -> Path:
    """The folder itself, or one with an ASCII path that only this user uses."""
    if str(folder).isascii():
        return folder
    tag = build_owner_tag(folder)
    if machine.platform == "win32":
        return program_data_folder(machine) / "SelvaBridge" / tag
    return Path("/Users/Shared" if machine.platform == "darwin" else "/var/tmp") / f"selva-bridge-{tag}"  # noqa: S108
