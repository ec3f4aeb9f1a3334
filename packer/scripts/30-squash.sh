#!/usr/bin/env bash
# The live system as one compressed file, beside the kernel and the initial file system of its own.
. "$HERE/scripts/common.sh"

live=$WORK/image/live
rm -rf "$WORK/image"
mkdir -p "$live"
cp "$(echo "$root"/boot/vmlinuz-*)" "$live/vmlinuz"
cp "$(echo "$root"/boot/initrd.img-*)" "$live/initrd.img"
mksquashfs "$root" "$live/filesystem.squashfs" -quiet -no-progress -noappend \
    -comp zstd -Xcompression-level "$COMPRESSION"
