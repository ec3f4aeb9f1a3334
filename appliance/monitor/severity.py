"""How grave an event is, and for how long it is worth keeping: beside the vocabulary, as closed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from appliance.monitor.events import Event


class Severity(StrEnum):
    """From everyday to what somebody should look at."""

    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


class Keep(IntEnum):
    """How long an event is kept, beside others: chatter ages faster, what lasts slower."""

    BRIEFLY = 0
    NORMALLY = 1
    LONG = 2


RANKS: tuple[Severity, ...] = tuple(Severity)
"""By gravity: the rank of a severity is its place here."""

_BRIEF = {
    Event.SMTP_CONNECTED,
    Event.SMTP_DISCONNECTED,
    Event.SMTP_CONNECTION_REFUSED,
    Event.SMTP_PROTOCOL_ERROR,
    Event.SMTP_TLS_FAILED,
    Event.LOGGED_IN,
    Event.BALANCE_MISSED,
    Event.BALANCE_REFUSED,
    Event.INDEX,
}
_LONG = {
    Event.MODE,
    Event.ADOPTED,
    Event.TAKEN_OVER,
    Event.HANDED_OVER,
    Event.NOT_HANDED_OVER,
    Event.STANDING_ASIDE,
    Event.LEASES_IN_DOUBT,
    Event.REPLICATION_REFUSED,
    Event.SPOOL_FAILED,
    Event.COMMAND,
    Event.SITE_CHANGED,
    Event.SITE_BRANCHED,
    Event.SITE_NOT_APPLIED,
    Event.TLS_AUTHORITY_MADE,
    Event.TLS_AUTHORITY_SHARED,
    Event.TLS_CERTIFICATE_ISSUED,
    Event.CLOCK_IMPLAUSIBLE,
    Event.TRANSITION,
    Event.ADDRESS_FAILED,
    Event.ADDRESS_FOREIGN,
    Event.ADDRESSES_TAKEN_AWAY,
    Event.MAINTENANCE,
    Event.SWITCHOVER,
    Event.NODE_STARTED,
    Event.NODE_READY,
    Event.NODE_SETTINGS_REFUSED,
    Event.NODE_STOPPING,
    Event.NODE_STOPPED,
    Event.SERVICE_EXITED,
    Event.SERVICE_KILLED,
    Event.SERVICE_HUNG,
    Event.LOG_LINES_LOST,
    Event.OUTPUT,
    Event.EVENTS_MISSED,
    Event.EVENTS_DAMAGED,
    Event.AUDIT,
    Event.UPDATE,
    Event.ROLL,
    Event.SETUP_DONE,
    Event.MACHINE_CALLER_REFUSED,
    Event.MACHINE_CHANGED,
    Event.NETWORK_TAKEN_BACK,
    Event.PASSWORD_CHANGED,
    Event.PAIRED,
    Event.TLS_CERTIFICATE_REVOKED,
    Event.ALERT_RAISED,
    Event.ALERT_CLEARED,
    Event.ALERT_ACKNOWLEDGED,
    Event.BACKUP_MADE,
    Event.BACKUP_FAILED,
    Event.BACKUP_VERIFIED,
    Event.JOB_FAILED,
    Event.MONITOR_FILE_DAMAGED,
}
_ERRORS = {
    Event.SMTP_FAILED,
    Event.CONTENT_DAMAGED,
    Event.FAILED,
    Event.REPLICATION_REFUSED,
    Event.LEASES_IN_DOUBT,
    Event.SPOOL_FAILED,
    Event.SITE_NOT_APPLIED,
    Event.ADDRESS_FAILED,
    Event.ADDRESS_FOREIGN,
    Event.ADDRESSES_TAKEN_AWAY,
    Event.NODE_SETTINGS_REFUSED,
    Event.SERVICE_KILLED,
    Event.LOG_LINES_LOST,
    Event.OUTPUT,
    Event.EVENTS_MISSED,
    Event.EVENTS_DAMAGED,
    Event.EVENTS_NOT_KEPT,
    Event.SERVICE_HUNG,
    Event.ALERT_NOT_TOLD,
    Event.BACKUP_FAILED,
    Event.MONITOR_FILE_DAMAGED,
    Event.SETUP_REFUSED,
}
_WARNINGS = {
    Event.SMTP_CONNECTION_REFUSED,
    Event.SMTP_DISCARDED,
    Event.RECIPIENT_NOT_VERIFIED,
    Event.LOGIN_FAILED,
    Event.BOUNCED,
    Event.EXPIRED,
    Event.HELD,
    Event.HOP_DOWN,
    Event.SPOOL_LOST,
    Event.MODE,
    Event.LINK_DOWN,
    Event.LINK_REFUSED,
    Event.LINK_RESET,
    Event.ADOPTED,
    Event.TAKEN_OVER,
    Event.NOT_HANDED_OVER,
    Event.STANDING_ASIDE,
    Event.OUTCOME_REFUSED,
    Event.SITE_BRANCHED,
    Event.SITE_FILE_IGNORED,
    Event.TLS_FAILED,
    Event.CLOCK_IMPLAUSIBLE,
    Event.ADDRESS_LEFT_BEHIND,
    Event.ADDRESS_PUT_BACK,
    Event.ADDRESS_NOT_RENEWED,
    Event.ADDRESS_NOT_ANNOUNCED,
    Event.PEER_SILENT,
    Event.NOT_HURRIED,
    Event.BALANCE_NOT_LISTENING,
    Event.BALANCE_SERVER_DOWN,
    Event.BALANCE_CUT_OFF,
    Event.EVENTS_SHED,
    Event.ACCOUNT_NOT_LISTENING,
    Event.NOT_PAIRED,
    Event.TLS_CERTIFICATE_REVOKED,
    Event.ALERT_RAISED,
    Event.HISTORY_FAILED,
    Event.JOB_FAILED,
    Event.JOBS_NOT_REMEMBERED,
    Event.MACHINE_CALLER_REFUSED,
    Event.NETWORK_TAKEN_BACK,
}
_NOTICES = {
    Event.SMTP_LISTENING,
    Event.SMTP_LEFT,
    Event.SMTP_STOPPED,
    Event.SMTP_REJECTED,
    Event.SMTP_PROTOCOL_ERROR,
    Event.SMTP_TLS_FAILED,
    Event.DEFERRED,
    Event.NOTIFIED,
    Event.HOP_UP,
    Event.PAUSED,
    Event.RESUMED,
    Event.SPOOL_FOUND,
    Event.LINK_UP,
    Event.HANDED_OVER,
    Event.COMMAND,
    Event.SITE_CHANGED,
    Event.TLS_AUTHORITY_MADE,
    Event.TLS_AUTHORITY_SHARED,
    Event.TLS_CERTIFICATE_ISSUED,
    Event.TRANSITION,
    Event.PRIORITY,
    Event.PEER_HEARD,
    Event.CARRIER,
    Event.CHECK,
    Event.MAINTENANCE,
    Event.SWITCHOVER,
    Event.BALANCE_LISTENING,
    Event.BALANCE_CLOSED,
    Event.BALANCE_SERVER_UP,
    Event.BALANCE_MISSED,
    Event.BALANCE_REFUSED,
    Event.NODE_STARTED,
    Event.NODE_READY,
    Event.NODE_STOPPING,
    Event.NODE_STOPPED,
    Event.SERVICE_STARTED,
    Event.SERVICE_READY,
    Event.SERVICE_EXITED,
    Event.ACCOUNT_LISTENING,
    Event.ACCOUNT_CLOSED,
    Event.PASSWORD_CHANGED,
    Event.PAIRED,
    Event.AUDIT,
    Event.UPDATE,
    Event.ROLL,
    Event.SETUP_DONE,
    Event.MACHINE_CHANGED,
    Event.ALERT_CLEARED,
    Event.ALERT_ACKNOWLEDGED,
    Event.ALERT_MAILED,
    Event.HISTORY_WORKS,
    Event.BACKUP_MADE,
    Event.BACKUP_VERIFIED,
    Event.JOB_DONE,
}
_INFOS = {
    Event.SMTP_CONNECTED,
    Event.SMTP_DISCONNECTED,
    Event.SMTP_ACCEPTED,
    Event.RECIPIENT_UNKNOWN,
    Event.LOGGED_IN,
    Event.SENT,
    Event.RETURNED,
    Event.INDEX,
}
SEVERITIES: Mapping[str, Severity] = {
    **dict.fromkeys(_INFOS, Severity.INFO),
    **dict.fromkeys(_NOTICES, Severity.NOTICE),
    **dict.fromkeys(_WARNINGS, Severity.WARNING),
    **dict.fromkeys(_ERRORS, Severity.ERROR),
}
"""Every event of the vocabulary; one from elsewhere is `Severity.INFO`."""

KEEPS: Mapping[str, Keep] = {
    **dict.fromkeys(_BRIEF, Keep.BRIEFLY),
    **dict.fromkeys(_LONG, Keep.LONG),
}
"""What is not kept normally."""
