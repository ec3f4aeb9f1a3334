"""The commands for bundles: `python -m bundle`, and twinpost-install.pyz on a bare Debian."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bundle import debs, files, keys, system, trust, verify
from bundle.errors import Refused
from bundle.install import Prefix, install, target
from bundle.keys import PublicKey
from bundle.manifest import Manifest
from bundle.node import SystemNode
from bundle.service import DATA, go_on_and_follow, updater

_PREFIX = Path("/opt/twinpost")
_KEYS = Path("~/.config/twinpost").expanduser()


def main() -> int:
    """0: done; 1: refused, with the reason on standard error; 2: wrong usage."""
    arguments = _parser().parse_args()
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        run(arguments)
    except Refused as error:
        return _failed(str(error), error.hint)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed(f"{where}{error.strerror or error}", "look at the path and the disk")
    except KeyboardInterrupt:
        return _failed("interrupted", "nothing was changed")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("twinpost-install", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("verify", help="read all of a bundle and say whether it is good")
    _bundle_options(one)
    one.set_defaults(run=_verify)

    one = commands.add_parser("install", help="install a bundle beside what is there, and use it")
    _bundle_options(one)
    one.add_argument("--allow-downgrade", action="store_true", help="also an older release")
    one.add_argument("--while-alone", action="store_true", help="update a node without its peer")
    extent = one.add_mutually_exclusive_group()
    extent.add_argument("--no-system", action="store_true", help="no units, no user, no firewall")
    extent.add_argument(
        "--image", action="store_true", help="all that, for a system that does not run yet"
    )
    one.add_argument(
        "--appliance", action="store_true", help="hand over all of the machine: screen, network"
    )
    one.set_defaults(run=_install)

    for name, run in (("resume", _resume), ("settle", _settle), ("back", _back)):
        one = commands.add_parser(name, help="for systemd: go on with an update, or take it back")
        one.add_argument("--prefix", type=Path, default=_PREFIX, help=argparse.SUPPRESS)
        one.set_defaults(run=run)

    one = commands.add_parser("build", help="make a bundle of this checkout")
    one.add_argument("--output", type=Path, metavar="DIR", default=Path("dist"))
    one.add_argument("--key", type=Path, metavar="FILE", default=_KEYS / "bundle.key")
    one.add_argument("--rotations", type=Path, metavar="FILE", help="made by `rotate`")
    one.add_argument("--test-key", action="store_true", help="say that the key is for tests only")
    one.set_defaults(run=_build)

    one = commands.add_parser("lock-debian", help="pin Debian's packages as they are now")
    one.set_defaults(run=_lock_debian)

    one = commands.add_parser("rotate", help="hand over from one key of bundles to the next")
    one.add_argument("old", type=Path)
    one.add_argument("new", type=Path)
    one.add_argument("--rotations", type=Path, metavar="FILE", default=_KEYS / "rotations.json")
    one.set_defaults(run=_rotate)
    return parser


def _bundle_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="the file on the stick")
    parser.add_argument("--prefix", type=Path, default=_PREFIX, help=argparse.SUPPRESS)
    parser.add_argument("--key", type=Path, metavar="FILE", help="the public key, the first time")
    parser.add_argument("--fingerprint", help="the key's, from paper; asked for if not given")
    parser.add_argument("--allow-test-key", action="store_true", help="in tests of Twinpost")


def _verify(arguments: argparse.Namespace) -> None:
    key = _trusted(arguments, Prefix(arguments.prefix))
    with tempfile.TemporaryDirectory(prefix="twinpost-") as folder:
        copy = Path(folder) / "bundle"
        verify.fetch(arguments.bundle, copy)
        found = verify.verify(copy, key, allow_test_key=arguments.allow_test_key)
    print(_describe(found.manifest), "It is whole, and signed by the trusted key.", sep="\n")


def _install(arguments: argparse.Namespace) -> None:
    if os.geteuid() != 0 and arguments.prefix == _PREFIX:
        raise Refused("only root may install", "use sudo, or log in as root")
    prefix = Prefix(arguments.prefix)
    if arguments.appliance and not arguments.image and system.runs("twinpost.service"):
        raise Refused("the node runs", "stop it first: systemctl stop twinpost")
    configured = SystemNode(DATA).configured and not arguments.appliance
    if prefix.version() and not arguments.no_system and configured:
        _update(arguments, prefix)
        return
    version = install(
        arguments.bundle,
        prefix,
        _trusted(arguments, prefix),
        system=target(),
        allow_downgrade=arguments.allow_downgrade,
        allow_test_key=arguments.allow_test_key,
        tell=print,
    )
    print(f"Twinpost {version} is in {prefix.current}.")
    release = prefix.release(version)
    if not arguments.no_system:
        debs.install(release / debs.FOLDER, print)
    if arguments.appliance:
        system.hand_over(release, print)
    if arguments.image:
        system.put(release)
    elif not arguments.no_system:
        system.activate(release, print)
    if arguments.appliance and not arguments.image:
        print("Restart the machine now: its screen then shows Twinpost's console.")


def _update(arguments: argparse.Namespace, prefix: Prefix) -> None:
    """Over a release in use, an installation is an update."""
    key = _trusted(arguments, prefix)
    prefix.trust(key.pem, test=arguments.allow_test_key)
    updater(prefix, print).request(
        str(arguments.bundle.absolute()),
        alone=arguments.while_alone,
        allow_downgrade=arguments.allow_downgrade,
        by="root",
    )
    state = go_on_and_follow(prefix, print)
    if state.error:
        raise Refused(state.error, state.hint)


def _resume(arguments: argparse.Namespace) -> None:
    updater(Prefix(arguments.prefix), print).run()


def _settle(arguments: argparse.Namespace) -> None:
    updater(Prefix(arguments.prefix), print).settle()


def _back(arguments: argparse.Namespace) -> None:
    updater(Prefix(arguments.prefix), print).request_back_at_boot("the boot menu")


def _trusted(arguments: argparse.Namespace, prefix: Prefix) -> PublicKey:
    """The key that is trusted here, or the one given, if somebody has its fingerprint on paper."""
    known = prefix.trusted_key()
    if known is not None:
        if arguments.key is not None and _read(arguments.key) != known:
            raise Refused(
                "another key is trusted here already",
                f"leave --key away; {prefix.trusted} has {known.fingerprint}",
            )
        return known
    if arguments.key is None:
        raise Refused("no key is trusted here yet", "name the public key: --key FILE")
    key = _read(arguments.key)
    typed = arguments.fingerprint or input("Type the key's fingerprint from paper: ")
    if not key.matches(typed):
        raise Refused(
            f"{arguments.key} is not the key on the paper", "do not use this stick; ask who made it"
        )
    return key


def _build(arguments: argparse.Namespace) -> None:
    from bundle.build import TARGET, Signer, build, version  # not on a bare Debian
    from bundle.installer import write_installer

    checkout = Path.cwd()
    if not arguments.key.exists():
        if arguments.key.resolve().is_relative_to(checkout):
            raise Refused("the key would lie in the checkout", "name a place outside: --key FILE")
        arguments.key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        print(f"Making a key: {arguments.key}. Keep it; who has it can sign bundles.")
        keys.make(arguments.key)
    rotations = trust.decode(arguments.rotations.read_bytes()) if arguments.rotations else ()
    arguments.output.mkdir(parents=True, exist_ok=True)
    bundle = arguments.output / f"twinpost-{version(checkout)}-{TARGET}.bundle"
    manifest = build(checkout, bundle, Signer(arguments.key, rotations, arguments.test_key), print)
    public = keys.public(arguments.key)
    files.replace(arguments.output / "twinpost-bundle.pub", public.pem.encode("ascii"))
    write_installer(arguments.output / "twinpost-install.pyz")
    print(_describe(manifest), f"It is {bundle}, {bundle.stat().st_size >> 20} MiB.", sep="\n")
    print(f"The key's fingerprint, for paper:\n{public.fingerprint}")


def _lock_debian(arguments: argparse.Namespace) -> None:
    for one in debs.lock(Path.cwd()):
        print(one.name, one.version)


def _rotate(arguments: argparse.Namespace) -> None:
    if not arguments.new.exists():
        keys.make(arguments.new)
    before = arguments.rotations.read_bytes() if arguments.rotations.exists() else b"[]"
    made = trust.rotate(arguments.old, keys.public(arguments.new))
    files.replace(arguments.rotations, trust.encode([*trust.decode(before), made]))
    print(f"Build with --key {arguments.new} --rotations {arguments.rotations} from now on.")


def _read(path: Path) -> PublicKey:
    return PublicKey.parse(path.read_text("ascii", "replace"))


def _describe(manifest: Manifest) -> str:
    return f"Twinpost {manifest.version} for {manifest.target}, {len(manifest.files)} files."


def _failed(reason: str, hint: str) -> int:
    print(f"twinpost: {reason}", *([f"  → {hint}"] if hint else []), sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
