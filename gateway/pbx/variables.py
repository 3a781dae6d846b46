"""The names that the gateway shares with the dialplan (see ``dialplan/``)."""

# Set by the gateway's one AGI command; the dialplan presets refusal.
ANSWER = "COINBOX_ANSWER"
# On a call's channels, read back by AMI.
CALL = "COINBOX_CALL"
ANSWERED = "COINBOX_ANSWERED"
# Family of the AstDB in which the hangup handler records how each call ended.
RECORDS = "coinbox"
# Name of the dialplan's user event.
LEG_EVENT = "CoinboxLeg"
