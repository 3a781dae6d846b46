import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.gateway import COMMAND


@dataclass(frozen=True)
class Shell:
    """Runs `coinbox` in a folder of its own, with no settings but those given."""

    folder: Path
    command: Path = COMMAND

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env=self.environment(settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "COINBOX_" not in name}
        return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **settings}

    def fails(self, *arguments: str, **settings: str) -> str:
        """Give what is said by a command that fails, which is never a traceback."""
        ended = self.run(*arguments, **settings)
        assert ended.returncode in {1, 2}
        assert "Traceback" not in ended.stderr
        return ended.stderr

    def account(self, name: str) -> dict[str, object]:
        shown = self.run("accounts", "show", name)
        assert shown.returncode == 0, shown.stderr
        body = json.loads(shown.stdout)
        assert isinstance(body, dict)
        return body
