"""What a person may set, for every room: the rows, where their values come from, and how the file of settings is changed."""

from selva_core.base.settings.loading import FoundSetting, find_settings, load_settings
from selva_core.base.settings.row import Row
from selva_core.base.settings.table import Settings, rows

__all__ = ["FoundSetting", "Row", "Settings", "find_settings", "load_settings", "rows"]
