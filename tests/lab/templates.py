import re
from collections.abc import Mapping
from pathlib import Path

PLACE = re.compile(r"\{\{(\w+)\}\}")


def render(template: Path, target: Path, values: Mapping[str, object]) -> Path:
    """Fill in each {{name}} of a template; a name without a value is an error."""
    target.write_text(PLACE.sub(lambda place: str(values[place[1]]), template.read_text()))
    return target
