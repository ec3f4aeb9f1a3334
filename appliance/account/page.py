"""The page's text: HTML that every browser shows, those without graphics or scripts, too."""

from __future__ import annotations

import base64
from hashlib import sha256
from html import escape

from appliance.mail.visible import visible

_MOST_SHOWN = 256
_STYLE = """
body { font: 1.1rem/1.5 sans-serif; max-width: 32rem; margin: 2rem auto; padding: 0 1rem;
  color: #111; background: #fff; }
label { display: block; margin-top: 1rem; font-weight: bold; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; margin-top: .2rem;
  border: 1px solid #555; border-radius: .2rem; }
button { font: inherit; margin-top: 1.5rem; padding: .5rem 1.5rem; color: #fff;
  background: #14508c; border: 0; border-radius: .2rem; }
.wrong { border-left: .4rem solid #b00020; padding-left: .8rem; }
.done { border-left: .4rem solid #1b6e2e; padding-left: .8rem; }
"""
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
# Nothing from elsewhere, no script, nobody may frame it.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""
_FORM = """\
<p>For your e-mail at {site}.</p>
{message}<form method="post" action="/">
<p><label for="user">Your name</label>
<input id="user" name="user" value="{user}" autocomplete="username" autocapitalize="none"
 spellcheck="false" maxlength="256" required></p>
<p><label for="old">Password until now</label>
<input id="old" name="old" type="password" autocomplete="current-password" maxlength="256" \
required></p>
<p><label for="new">New password</label>
<input id="new" name="new" type="password" autocomplete="new-password" maxlength="256" required></p>
<p><label for="again">New password, once more</label>
<input id="again" name="again" type="password" autocomplete="new-password" maxlength="256" \
required></p>
<p><button type="submit">Change the password</button></p>
</form>
<p>At least 8 characters. Three or four words that belong together only for you are easy to keep in
mind and hard to guess. Don't take a password that you use elsewhere.</p>
<p>You don't know your password any more? Ask whoever looks after the mail for a new one.</p>
"""
_DONE = """\
<p class="done" role="status">Your password is changed.</p>
<p>From now on only the new one counts. Enter it in your mail program, on each of your devices.</p>
"""


def form(site: str, user: str = "", message: str = "") -> str:
    """The form; `message` says what was wrong with what was sent, `user` stays filled in."""
    told = f'<p class="wrong" role="alert">{escape(message)}</p>\n' if message else ""
    body = _FORM.format(
        site=escape(visible(site, _MOST_SHOWN)),
        message=told,
        user=escape(visible(user, _MOST_SHOWN)),
    )
    return _page("Change your password", body)


def done() -> str:
    """It is changed."""
    return _page("Your password is changed", _DONE)


def failure(message: str) -> str:
    """There is no form to show."""
    return _page("This does not work", f'<p class="wrong" role="alert">{escape(message)}</p>\n')


def _page(title: str, body: str) -> str:
    return _PAGE.format(title=title, style=_STYLE, body=body)
