"""The Lua operations, loaded from their files."""

from hashlib import sha1
from importlib.resources import files

_FOLDER = files("gateway.ledger") / "lua"
_PRELUDE = (_FOLDER / "prelude.lua").read_text()


class Script:
    """One operation: the prelude and its own file."""

    def __init__(self, name: str) -> None:
        """Read the operation's file."""
        self.text = f"{_PRELUDE}\n{(_FOLDER / f'{name}.lua').read_text()}"
        # The digest is the name that Redis gives a script, not a safeguard.
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


OPEN_ACCOUNT = Script("open_account")
GRANT = Script("grant")
HOLD = Script("hold")
EXTEND = Script("extend")
SETTLE = Script("settle")
VOID = Script("void")
FAIL_RECHARGE = Script("fail_recharge")
