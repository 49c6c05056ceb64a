"""The main job on the example cut, with the commands a person would type."""

from __future__ import annotations

import subprocess
from pathlib import Path

from environment import SetupError
