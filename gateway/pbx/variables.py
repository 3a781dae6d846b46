"""The names that the gateway shares with the dialplan (see ``dialplan/``)."""

# Set by the gateway's one AGI command; the dialplan presets refusal.
ANSWER = "COINBOX_ANSWER"
# On channels, read back by AMI: the call that a channel asked for, the call that a paid leg
# carries, and when that leg was answered (epoch milliseconds, 0 before).
ASKED = "COINBOX_ASKED"
CALL = "COINBOX_CALL"
ANSWERED = "COINBOX_ANSWERED"
# Family of the AstDB in which the hangup handler records how each call ended.
RECORDS = "coinbox"
# Name of the dialplan's user event.
LEG_EVENT = "CoinboxLeg"
