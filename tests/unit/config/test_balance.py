"""[balance]: what is accepted, and how mistakes are told."""

from __future__ import annotations

import pytest

from appliance.config import ConfigError, Problem
from appliance.config.document import parse
from appliance.config.node import NodeSettings
from appliance.config.units import NumericEndpoint

NODE = """\
name = "a"
hostname = "a.site.test"

[smtp]
listen = ["127.0.0.11:25"]
proxy_listen = ["127.0.0.11:2529"]
proxy_networks = ["127.0.0.11", "127.0.0.12"]

[link]
listen = "127.0.0.11:2526"
pairing = "127.0.0.11:2527"

[balance]
listen = ["127.0.0.10:25", "[::1]:25"]
algorithm = "least-connections"
checks = { interval = "500ms", fall = 1 }

[[balance.servers]]
name = "a"
address = "127.0.0.11:2529"
weight = 3

[[balance.servers]]
name = "b"
address = "127.0.0.12:2529"
check = "http"
check_address = "127.0.0.12:2580"
"""


def problem(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        parse(text, NodeSettings, "x.toml")
    (found,) = caught.value.problems
    return found


def test_accepted() -> None:
    node = parse(NODE, NodeSettings, "x.toml")
    assert node.balance is not None
    a, b = node.balance.servers
    assert (a.weight, a.limit, a.checked) == (3, 1000, "127.0.0.11:2529")
    assert (b.weight, b.checked) == (1, "127.0.0.12:2580")
    assert node.balance.own(node.smtp.proxy_listen) is a
    assert node.balance.checks.interval == 500
    assert node.balance.checks.rise == 2
    assert node.served == ("127.0.0.11:25", "127.0.0.10:25", "[::1]:25")


@pytest.mark.parametrize(
    "old, new, key, what",
    [
        (
            'address = "127.0.0.12:2529"',
            'address = "b.test:2529"',
            "balance.servers[1].address",
            "no DNS",
        ),
        ('check_address = "127.0.0.12:2580"\n', "", "balance.servers[1]", "http.listen"),
        ("weight = 3", "weight = 0", "balance.servers[0].weight", ">= 1"),
        ('"least-connections"', '"random"', "balance.algorithm", "invalid enum value"),
        ('name = "b"', 'name = "a"', "balance", "two servers have the name 'a'"),
        ('"127.0.0.12:2529"', '"127.0.0.11:2529"', "balance", "two servers have the address"),
        ('"500ms"', '"0ms"', "balance.checks", "interval must not be 0"),
        ("weight = 3", 'limit = "many"', "balance.servers[0].limit", "`int`"),
        ("checks = {", 'stop_timeout = "1m"\nchecks = {', "balance", "at most 20s"),
        ('["127.0.0.10:25", "[::1]:25"]', "[]", "balance", "no address to listen on"),
        ('["127.0.0.10:25", ', '["mail.site.test:25", ', "balance.listen[0]", "no DNS"),
        ('["127.0.0.10:25", ', '["127.0.0.11:25", ', "", "addresses of its own only"),
        ('listen = ["127.0.0.11:25"]', 'listen = ["0.0.0.0:25"]', "", "mail process listens, too"),
        ('proxy_listen = ["127.0.0.11:2529"]', "proxy_listen = []", "", "smtp.proxy_listen"),
        ('proxy_networks = ["127.0.0.11", "127.0.0.12"]', "", "smtp", "nodes of the pair"),
    ],
)
def test_mistakes(old: str, new: str, key: str, what: str) -> None:
    assert NODE.count(old) == 1
    found = problem(NODE.replace(old, new))
    assert found.key == key
    assert what in f"{found.what} {found.hint}"


def test_backup_servers_alone_serve_nobody() -> None:
    text = NODE.replace('name = "a"\naddress', 'name = "a"\nbackup = true\naddress')
    found = problem(text.replace('name = "b"\naddress', 'name = "b"\nbackup = true\naddress'))
    assert "only backup servers" in found.what


BALANCED = """\
listen = ["127.0.0.10:25", "[::1]:25"]
submission = ["127.0.0.10:587"]
submissions = ["127.0.0.10:465"]
"""
PROXIED = """\
proxy_networks = ["127.0.0.11", "127.0.0.12"]
proxy_submission = ["127.0.0.11:2530"]
proxy_submissions = ["127.0.0.11:2531"]
"""


def with_submission() -> str:
    text = NODE.replace('listen = ["127.0.0.10:25", "[::1]:25"]\n', BALANCED)
    text = text.replace('proxy_networks = ["127.0.0.11", "127.0.0.12"]\n', PROXIED)
    for name, first in (("a", "127.0.0.11:2530"), ("b", "127.0.0.12:2530")):
        ports = f'submission = "{first}"\nsubmissions = "127.0.0.1{"ab".index(name) + 1}:2531"'
        text = text.replace(f'name = "{name}"\naddress', f'name = "{name}"\n{ports}\naddress')
    return text


def test_each_port_of_the_balancer_has_one_of_each_server() -> None:
    node = parse(with_submission(), NodeSettings, "x.toml")
    assert node.balance is not None
    for listener, port in (("127.0.0.10:25", 2529), ("127.0.0.10:587", 2530)):
        found = node.balance.addresses(NumericEndpoint.parse(listener))
        assert found == {"a": f"127.0.0.11:{port}", "b": f"127.0.0.12:{port}"}
    assert {"127.0.0.10:587", "127.0.0.10:465"} <= set(node.served)


@pytest.mark.parametrize(
    "old, new, key, what",
    [
        ('submissions = "127.0.0.12:2531"\n', "", "balance", "server b says not where clients of"),
        ('["127.0.0.11:2530"]', "[]", "", "nobody takes clients for server a at 127.0.0.11:2530"),
        ('["127.0.0.11:2530"]', '["127.0.0.11:2529"]', "smtp", "two purposes"),
        ('["127.0.0.10:587"]', '["127.0.0.11:25"]', "", "mail process listens, too"),
    ],
)
def test_mistakes_with_submission(old: str, new: str, key: str, what: str) -> None:
    assert with_submission().count(old) == 1
    found = problem(with_submission().replace(old, new))
    assert found.key == key
    assert what in f"{found.what} {found.hint}"
