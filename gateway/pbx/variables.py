"""The names that the gateway shares with the dialplan (see ``dialplan/``)."""

# Set by the gateway's one AGI command; the dialplan presets refusal.
ANSWER = "COINBOX_ANSWER"
# On channels, read back by AMI: the call that a channel asked for.
ASKED = "COINBOX_ASKED"
# The call that a paid leg carries, when it was answered (epoch milliseconds, 0 before), whose ear
# hears warnings, and what the call was asked for by.
CALL = "COINBOX_CALL"
ANSWERED = "COINBOX_ANSWERED"
EAR = "COINBOX_EAR"
# The same, where another channel had to say it: that of a phone which answered.
SHARED_ANSWERED = "SHARED(COINBOX_ANSWERED)"
SHARED_EAR = "SHARED(COINBOX_EAR)"
TYPE = "COINBOX_TYPE"
ACCOUNT = "COINBOX_ACCOUNT"
USER = "COINBOX_USER"
NUMBER = "COINBOX_NUMBER"
# Family of the AstDB in which the hangup handler records how each call ended.
RECORDS = "coinbox"
# Name of the dialplan's user event.
LEG_EVENT = "CoinboxLeg"
# Its state where it tells of no leg, but of the PBX itself, to who checks that; the context that
# does; and the gateway that is asked there.
DOCTOR_STATE = "doctor"
DOCTOR = "coinbox-doctor"
GATEWAY = "COINBOX_GATEWAY"
# Contexts that are called by AMI: a whisper into a channel, what is said there, a conference's
# dial-out, and the room.
WHISPER = "coinbox-whisper"
WARNING = "coinbox-warning"
CONF_OUT = "coinbox-conf-out"
ROOM = "coinbox-conf-room"
CONFERENCE = "COINBOX_CONFERENCE"
PRESS_ONE = "COINBOX_PRESS_ONE"
