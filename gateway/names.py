"""What the ids of the outside may look like: words that no key, path or log line takes apart."""

import re

ACCOUNT = re.compile(r"[A-Za-z0-9._@-]{1,64}")
USER = ACCOUNT
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
CURRENCY = re.compile(r"[A-Z]{3}")
