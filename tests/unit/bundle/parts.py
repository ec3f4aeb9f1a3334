"""Small real bundles: pip's own wheel, and a package `twinpost` that says its version."""

from __future__ import annotations

import base64
import ensurepip
import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bundle import build, keys
from bundle.build import Signer
from bundle.manifest import Manifest, Version

TARGET = "test-system"


def private_key(folder: Path, name: str = "key") -> Path:
    """A key, made if it is not there yet."""
    path = folder / name
    if not path.exists():
        keys.make(path)
    return path


def bundle_of(
    folder: Path,
    contents: Mapping[str, bytes],
    signer: Signer,
    version: str = "1.2.3",
) -> Path:
    """A bundle with these files."""
    root = folder / f"files-{version}"
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    manifest = build.describe(root, Version.parse(version), test=signer.test, target=TARGET)
    target = folder / f"twinpost-{version}.bundle"
    build.write(manifest, root, target, signer)
    return target


def installable(folder: Path, signer: Signer, version: str = "1.2.3", more: str = "") -> Path:
    """A bundle that can be installed."""
    wheels = folder / f"wheels-{version}"
    wheels.mkdir(exist_ok=True)
    own = _wheel(wheels, version)
    pip = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    shutil.copy(pip, wheels)
    contents = {f"wheels/{one.name}": one.read_bytes() for one in wheels.iterdir()}
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    contents["requirements.txt"] = f"twinpost=={version} --hash=sha256:{digest}\n".encode()
    contents["CHANGELOG.md"] = f"# Changes {more}\n".encode()
    contents["LICENSE"] = b"Apache-2.0\n"
    return bundle_of(folder, contents, signer, version)


def manifest_of(bundle: Path) -> Manifest:
    """What a bundle says of itself."""
    from bundle import archive

    with bundle.open("rb") as source:
        return Manifest.decode(archive.read_front(source).manifest)


def _wheel(folder: Path, version: str) -> Path:
    info = f"twinpost-{version}.dist-info"
    contents = {
        "twinpost_test.py": f'def main():\n    print("twinpost, version {version}")\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: twinpost\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntwinpost = twinpost_test:main\n",
    }
    record = []
    for name, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record.append(f"{name},sha256={digest.decode()},{len(text.encode())}")
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    path = folder / f"twinpost-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in contents.items():
            packed.writestr(zipfile.ZipInfo(name), text)
    return path
