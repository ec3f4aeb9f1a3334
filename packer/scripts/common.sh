# Read by every step.
set -euo pipefail
# Packer passes file descriptors of its own on, and mmdebstrap stumbles over them.
for n in {3..30}; do eval "exec $n>&-"; done
# A moment that is always the same: what was made later is dated back to it.
export LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1577836800
umask 022

die() {
    printf 'twinpost: %s\n' "$*" >&2
    exit 1
}

root=$WORK/root
bundle=$(ls -t "$DIST"/twinpost-*-debian13-amd64.bundle 2>/dev/null | head -n 1)
[ -n "$bundle" ] || die "there is no bundle in $DIST: make bundle"
image=${bundle%-debian13-amd64.bundle}-amd64.img
