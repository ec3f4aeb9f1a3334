"""docs/image.md's example is a file that installs two machines: sites begin with a copy of it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from appliance.config.document import parse
from appliance.config.install_file import NAME, InstallFile

DOCS = (Path(__file__).parents[3] / "docs/image.md").read_text()


def test_the_example_installs_two_machines() -> None:
    [example] = re.findall(r"^```toml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    file = parse(example, InstallFile, NAME)
    first, second = file.machine
    answers = file.answers_for([first.hardware])
    assert answers is not None
    assert (answers.name, answers.pair) == ("a", "new")
    assert file.answers_for([second.hardware]) is None


def test_every_key_is_explained() -> None:
    named = set(re.findall(r"^\| `\[?\[?(\w+)\]?\]?` \|", DOCS, re.MULTILINE)) | {"machine"}
    assert named == {one.name for one in msgspec.structs.fields(InstallFile)}
