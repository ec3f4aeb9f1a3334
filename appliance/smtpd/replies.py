"""The server's own replies, encoded once; enhanced status codes are RFC 3463's."""

from __future__ import annotations

from appliance.mail.reply import Reply
from appliance.smtpd.decoder import Defect


def encode(reply: Reply) -> bytes:
    """`reply` as it goes over the wire; each line of its text becomes a line (RFC 5321 §4.2.1)."""
    status = f"{reply.enhanced} " if reply.enhanced else ""
    lines = reply.text.splitlines() or [""]
    last = len(lines) - 1
    return b"".join(
        f"{reply.code}{' ' if number == last else '-'}{status}{line}".rstrip().encode(
            "ascii", "replace"
        )
        + b"\r\n"
        for number, line in enumerate(lines)
    )


OK = b"250 2.0.0 Ok\r\n"
SENDER_OK = b"250 2.1.0 Ok\r\n"
RECIPIENT_OK = b"250 2.1.5 Ok\r\n"
START_TLS = b"220 2.0.0 Ready to start TLS\r\n"
START_DATA = b"354 End data with <CR><LF>.<CR><LF>\r\n"
BYE = b"221 2.0.0 Bye\r\n"
LOGGED_IN = b"235 2.7.0 Authentication succeeded\r\n"
HELP = b"214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n"
CANNOT_VERIFY = b"252 2.5.0 Cannot tell, but will take mail for it and try\r\n"

SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down, closing connection")
TIMED_OUT = Reply(421, "4.4.2", "Timeout, closing connection")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections, try again later")
TOO_MANY_FROM_CLIENT = Reply(421, "4.7.0", "Too many connections from your address")
TOO_MANY_MESSAGES = Reply(421, "4.7.0", "Too many messages on one connection, connect again")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors, closing connection")
TOO_MANY_IDLE_COMMANDS = Reply(421, "4.7.0", "Too many commands without mail, closing connection")
INTERNAL_ERROR = Reply(421, "4.3.0", "Internal error, closing connection")
EARLY_TALKER = Reply(421, "4.7.0", "Spoke before the greeting, closing connection")
NOT_MAIL = Reply(421, "4.7.0", "This is no mail client, closing connection")

UNKNOWN_COMMAND = Reply(500, "5.5.2", "Command not recognized")
BAD_CHARACTER = Reply(500, "5.5.2", "Control characters or bytes that are not UTF-8 in command")
NO_ARGUMENT_ALLOWED = Reply(501, "5.5.4", "No parameter allowed here")
NEEDS_HOSTNAME = Reply(501, "5.5.4", "Syntax: EHLO hostname or HELO hostname")
NEEDS_VRFY_ARGUMENT = Reply(501, "5.5.4", "Syntax: VRFY address")
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
PARAMETERS_NEED_EHLO = Reply(555, "5.5.4", "Parameters need EHLO first")
BDAT_SYNTAX = Reply(501, "5.5.4", "Syntax: BDAT size [LAST]; closing connection")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
NEEDS_HELO = Reply(503, "5.5.1", "Send EHLO or HELO first")
NEEDS_EHLO = Reply(503, "5.5.1", "CHUNKING needs EHLO first")
NEEDS_MAIL = Reply(503, "5.5.1", "Send MAIL FROM first")
NEEDS_TLS = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
NESTED_TLS = Reply(503, "5.5.1", "TLS is already active")
NO_TLS = Reply(454, "4.7.0", "TLS is not available now")
TEXT_AFTER_STARTTLS = Reply(554, "5.5.1", "Nothing may follow STARTTLS before TLS")
NO_AUTH = Reply(503, "5.5.1", "Nobody can log in here, only where users send")
AUTH_NEEDS_TLS = Reply(538, "5.7.11", "Encryption required for authentication")
AUTH_NEEDS_EHLO = Reply(503, "5.5.1", "AUTH needs EHLO first")
AUTH_IN_TRANSACTION = Reply(503, "5.5.1", "No AUTH within a mail transaction")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
AUTH_LINE_TOO_LONG = Reply(500, "5.5.6", "Authentication exchange line is too long")
NESTED_AUTH = Reply(503, "5.5.1", "Already logged in")
NO_SUCH_MECHANISM = Reply(504, "5.5.4", "Unrecognized authentication type")
NOT_BASE64 = Reply(501, "5.5.2", "This is not base64")
NEEDS_AUTH = Reply(530, "5.7.0", "Authentication required")
NO_LONGER_ACTIVE = Reply(530, "5.7.0", "This user may not send any more")
NOT_YOUR_ADDRESS = Reply(553, "5.7.1", "You may not send as this address")
TOO_MANY_LOGINS = Reply(421, "4.7.0", "Too many failed logins, closing connection")
NESTED_MAIL = Reply(503, "5.5.1", "MAIL FROM was already sent, RSET starts anew")
DATA_AFTER_BDAT = Reply(503, "5.5.1", "DATA after BDAT, RSET starts anew")
RCPT_AFTER_BDAT = Reply(503, "5.5.1", "RCPT after BDAT, RSET starts anew")
CHUNK_FAILED_BEFORE = Reply(503, "5.5.1", "An earlier chunk failed, RSET starts anew")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, send the rest in another message")
TOO_BIG = Reply(552, "5.3.4", "Message is larger than this server takes")
CANNOT_ACCEPT_NOW = Reply(451, "4.3.0", "Cannot take the message now, try again later")
CLIENT_GONE = Reply(451, "4.4.2", "Connection lost before the message was complete")
DEFECTS = {
    Defect.BARE_CR: Reply(550, "5.6.0", "Bare CR in message: lines must end with CRLF"),
    Defect.BARE_LF: Reply(550, "5.6.0", "Bare LF in message: lines must end with CRLF"),
    Defect.NUL: Reply(550, "5.6.0", "NUL in message: encode binary content"),
    Defect.LINE_TOO_LONG: Reply(550, "5.6.0", "Line too long in message"),
}
