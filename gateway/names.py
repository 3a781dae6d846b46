"""What the ids of the outside may look like: words that no key, path or log line takes apart."""

import re

ACCOUNT = re.compile(r"[A-Za-z0-9._@-]{1,64}")
USER = ACCOUNT
PBX = re.compile(r"[A-Za-z0-9._]{1,32}")
CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
REFERENCE = re.compile(r"[A-Za-z0-9._:@-]{1,100}")
"""Names a payment, its reversal, or an operation on an account."""
POOL = re.compile(r"[A-Za-z0-9._:@-]{1,150}")
PROFILE = re.compile(r"[a-z_]+")
"""Names a part of the profile of an account or of a user."""
PREFIX = re.compile(r"[0-9]{1,15}")
# Later ones compare as greater.
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
CONFERENCE = re.compile(r"[0-9]{1,16}")
RECORDED = re.compile(r"[A-Za-z0-9+*#._@-]{0,200}")
REQUEST = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Names a request for a call, and the call that comes of it."""
PIN = re.compile(r"[0-9]{1,16}")
CURRENCY = re.compile(r"[A-Z]{3}")
ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}"
)
"""A mail address, as HTML has it; longer or quoted ones are not used by people."""


def pbx_of(call_id: str) -> str:
    """Give the PBX that a call's id names first."""
    return call_id.partition("-")[0]
