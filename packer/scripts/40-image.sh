#!/usr/bin/env bash
# An image that BIOS and UEFI boot from a stick. Behind it lies a small FAT file system, TWINPOST: what
# an operator's own computer can write the answers for an unattended installation to.
. "$HERE/scripts/common.sh"

mkdir -p "$WORK/image/boot/grub"
cp "$HERE/boot/grub.cfg" "$WORK/image/boot/grub/grub.cfg"
answers=$WORK/answers.fat
rm -f "$answers"
truncate --size 16M "$answers"
mkfs.vfat -F 16 -n TWINPOST -i 54574e50 --invariant "$answers" >/dev/null
mcopy -i "$answers" -m "$HERE/boot/README.TXT" ::README.TXT
grub-mkrescue --output "$image.part" "$WORK/image" -- -volid TWINPOST_LIVE \
    -append_partition 3 0x0c "$answers" >"$WORK/grub-mkrescue.log" 2>&1 \
    || { cat "$WORK/grub-mkrescue.log"; exit 1; }
mv "$image.part" "$image"
(cd "$DIST" && sha256sum "${image##*/}" >"${image##*/}.sha256")
size=$(($(stat -c %s "$image") / 1000000))
[ "$size" -lt 400 ] || die "the image has $size MB, and has to stay below 400"
echo "It is $image, $size MB."
