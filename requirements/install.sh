#!/usr/bin/env bash
# Makes the virtual environment that `make` works in, and only when something changed since.
#   requirements/install.sh runtime|dev
# PYTHON names the interpreter (python3), VENV the folder (.venv).
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?runtime or dev}
python=${PYTHON:-python3}
venv=${VENV:-.venv}

die() {
    printf 'twinpost: %s\n' "$*" >&2
    exit 1
}

command -v "$python" >/dev/null || die "$python is missing: apt install python3 python3-venv"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') \
    || die "$python does not run: name another interpreter with PYTHON="
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || die "$python is Python $found, 3.11 or newer is needed: Debian 12 and 13 have it (apt install python3 python3-venv), or name one with PYTHON="
# Debian splits ensurepip off into python3-venv; to python3.13 belongs python3.13-venv.
package=$(basename "$python")-venv
"$python" -c 'import ensurepip, venv' 2>/dev/null \
    || die "$python cannot make a virtual environment: apt install $package"

case $what in
runtime) files=(requirements/build.txt requirements/runtime.txt) ;;
dev) files=(requirements/dev.txt) ;;
*) die "install.sh knows runtime and dev, not $what" ;;
esac

interpreter=$("$python" -c 'import sys; print(sys.executable, sys.version)')
stamp=$venv/.installed-$what
wanted=$({ echo "$PWD $interpreter"; cat "${files[@]}" pyproject.toml "$0"; } | sha256sum)
if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

# An environment of another interpreter, or moved from elsewhere, does not mend: it is made anew.
made_by=$(cat "$venv/.made-by" 2>/dev/null || true)
if [ "$made_by" != "$PWD $interpreter" ]; then
    echo "twinpost: making $venv with Python $found" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv" || die "no virtual environment in $venv: apt install $package"
    echo "$PWD $interpreter" >"$venv/.made-by"
fi

echo "twinpost: installing what $what needs" >&2
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install)
options=()
for file in "${files[@]}"; do
    options+=(--requirement "$file")
done
rm -f "$stamp"
"${pip[@]}" --require-hashes --only-binary :all: "${options[@]}" \
    || die "the packages of ${files[*]} could not be installed: is a package index reachable (pip config list)?"
# An editable install warns that it is one, at length.
PYTHONWARNINGS=ignore "${pip[@]}" --no-deps --no-build-isolation --editable . \
    || die "the project itself could not be installed: the lines above say why"
echo "$wanted" >"$stamp"
