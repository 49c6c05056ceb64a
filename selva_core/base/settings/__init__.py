"""The settings of all rooms: their rows, the sources of their values, and changes to the file of settings."""

from selva_core.base.settings.loading import FoundSetting, find_settings, load_settings
from selva_core.base.settings.row import Row
from selva_core.base.settings.table import Settings, rows

__all__ = ["FoundSetting", "Row", "Settings", "find_settings", "load_settings", "rows"]
