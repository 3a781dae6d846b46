"""The Lua operations, loaded from their files."""

from hashlib import sha1
from importlib.resources import files

_FOLDER = files("gateway.ledger") / "lua"


class Script:
    """One operation: the parts that it shares with others, and its own file."""

    def __init__(self, name: str, *shared: str, read_only: bool = False) -> None:
        """Read the files."""
        parts = [(_FOLDER / f"{part}.lua").read_text() for part in (*shared, name)]
        shebang = "#!lua flags=no-writes" if read_only else "#!lua"
        self.text = "\n".join([shebang, *parts])
        # The digest is the name that Redis gives a script, not a safeguard.
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_MONEY = ("prelude", "calendar", "books", "recharge", "close")
_CALLS = (*_MONEY, "limits", "calls")

OPEN_ACCOUNT = Script("open_account")
OWN_NUMBER = Script("own_number")
CONFIGURE = Script("configure", *_MONEY, "settings")
SET_USER = Script("set_user", *_MONEY, "settings")
GRANT = Script("grant", *_MONEY, "lots")
PAY = Script("pay", *_MONEY, "lots", "payments")
TAKE_BACK = Script("take_back", *_MONEY, "payments")
FLAG_PAYMENT = Script("flag_payment", *_MONEY, "payments")
DISMISS_PAYMENT = Script("dismiss_payment", *_MONEY)
REVERSE = Script("reverse", *_MONEY)
EXPIRE = Script("expire", *_MONEY)
REQUEST_RECHARGE = Script("request_recharge", *_MONEY)
ASK_RECHARGE = Script("ask_recharge", *_MONEY)
SUSPEND_RECHARGE = Script("suspend_recharge", *_MONEY)
RESUME_RECHARGE = Script("resume_recharge", *_MONEY)
FAIL_RECHARGE = Script("fail_recharge", *_MONEY)
HOLD = Script("hold", *_CALLS)
EXTEND = Script("extend", *_CALLS)
SETTLE = Script("settle", *_CALLS)
VOID = Script("void", *_CALLS)
SET_CONFERENCE = Script("set_conference")
JOIN_CONFERENCE = Script("join_conference")
DIAL_OUT = Script("dial_out", "prelude")
TAKE_IN_JOBS = Script("take_in_jobs", "prelude")
LEASE_JOBS = Script("lease_jobs", "prelude")
END_TRY = Script("end_try", "prelude")
TAKE_LEASE = Script("take_lease")
GIVE_UP_LEASE = Script("give_up_lease")
STATEMENT = Script("statement", read_only=True)
FACTS = Script("facts", read_only=True)
