"""The page: what it answers, what it never shows, who may send it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, ClientSession, web

from appliance.account.web import Away, Unchanged, account_pages, plain_pages

GOOD = {"user": "bob", "old": "until now", "new": "from now on", "again": "from now on"}


@dataclass
class Accounts:
    """Notes what it is asked, and answers as it is told."""

    site: str = "site.test"
    answer: Exception | None = None
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def change(self, client: str, login: str, old: str, new: str) -> None:
        self.asked.append((client, login, old, new))
        if self.answer is not None:
            raise self.answer


@dataclass
class Served:
    """Applications at a port, and a client."""

    accounts: Accounts
    client: ClientSession
    base: str
    runners: list[web.AppRunner]

    async def serve(self, application: web.Application) -> str:
        runner = web.AppRunner(application, access_log=None)
        self.runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def send(
        self, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        async with self.client.post(f"{self.base}/", data=form, headers=headers) as answer:
            return answer.status, await answer.text()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    accounts = Accounts()
    async with ClientSession() as client:
        found = Served(accounts, client, "", [])
        found.base = await found.serve(account_pages(accounts))
        yield found
        for runner in found.runners:
            await runner.cleanup()


def guarded(answer: ClientResponse) -> None:
    headers = answer.headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert "aiohttp" not in headers["Server"]
    assert "Set-Cookie" not in headers


async def test_the_form(served: Served) -> None:
    async with served.client.get(f"{served.base}/") as answer:
        guarded(answer)
        text = await answer.text()
    assert "site.test" in text
    assert "<script" not in text
    assert text.count('type="password"') == 3
    for name in GOOD:
        assert f'<label for="{name}">' in text


async def test_it_is_changed(served: Served) -> None:
    status, text = await served.send(GOOD | {"user": "  bob "})
    assert status == 200
    assert "Your password is changed" in text
    assert served.accounts.asked == [("127.0.0.1", "bob", "until now", "from now on")]


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"again": "from now 0n"}, "not the same"),
        ({"old": ""}, "all four"),
        ({"user": "   "}, "all four"),
    ],
)
async def test_mistakes_cost_no_try(served: Served, wrong: dict[str, str], says: str) -> None:
    status, text = await served.send(GOOD | wrong)
    assert (status, says in text) == (422, True)
    assert served.accounts.asked == []


async def test_what_is_refused_is_told_and_no_password_is_shown(served: Served) -> None:
    served.accounts.answer = Unchanged(HTTPStatus.FORBIDDEN, "They do not belong together.")
    status, text = await served.send(GOOD | {"user": '"><script>x\x1b</script>'})
    assert status == 403
    assert "They do not belong together." in text
    assert "<script" not in text
    assert "\x1b" not in text
    assert "until now" not in text.lower().replace("password until now", "")
    assert "from now on" not in text
    served.accounts.answer = Away()
    status, text = await served.send(GOOD)
    assert (status, "Try again in a minute" in text) == (503, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_site_makes_nobody_guess(served: Served, headers: Mapping[str, str]) -> None:
    status, text = await served.send(GOOD, headers)
    assert (status, "from another page" in text) == (403, True)
    assert served.accounts.asked == []


async def test_a_browser_that_says_where_the_form_was(served: Served) -> None:
    host = served.base.removeprefix("http://")
    headers = {"Origin": f"https://{host}", "Sec-Fetch-Site": "same-origin"}
    assert (await served.send(GOOD, headers))[0] == 200


async def test_nothing_else_is_taken(served: Served) -> None:
    async def status(method: str, path: str, **options: object) -> int:
        async with served.client.request(method, served.base + path, **options) as answer:  # type: ignore[arg-type]
            guarded(answer)
            return answer.status

    assert await status("GET", "/passwords") == 404
    assert await status("PUT", "/") == 405
    assert await status("POST", "/", json=GOOD) == 415
    assert await status("POST", "/", data=GOOD | {"user": "x" * 20_000}) == 413
    assert served.accounts.asked == []


async def test_plain_http_has_the_list_and_leads_to_the_page(served: Served) -> None:
    listed = b""
    base = await served.serve(plain_pages(lambda: listed, {"127.0.0.1": 8443, "": 443}))
    async with served.client.get(f"{base}/ca.crl") as answer:
        assert answer.status == 404
    listed = b"DER"
    async with served.client.get(f"{base}/ca.crl") as answer:
        assert answer.content_type == "application/pkix-crl"
        assert await answer.read() == b"DER"
    async with served.client.get(f"{base}/?x=1", allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"] == "https://127.0.0.1:8443/"
    async with served.client.post(f"{base}/", data=GOOD) as answer:
        assert answer.status == 405
