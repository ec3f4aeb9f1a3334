#!/usr/bin/env bash
# A Debian 13 with a kernel, what boots it, and what installs it to a disk without a network.
. "$HERE/scripts/common.sh"

packages=(
    linux-image-amd64 initramfs-tools zstd systemd-sysv udev dbus kmod
    live-boot live-boot-initramfs-tools
    grub-common grub2-common grub-pc-bin grub-efi-amd64-bin
    gdisk parted dosfstools e2fsprogs squashfs-tools
    console-setup keyboard-configuration kbd tzdata
    iproute2 nftables chrony openssl python3 python3-venv procps
)
# Manuals and translations are read by nobody there; what the licences ask for stays.
leave=(
    --dpkgopt=path-exclude=/usr/share/man/\*
    --dpkgopt=path-exclude=/usr/share/info/\*
    --dpkgopt=path-exclude=/usr/share/locale/\*
    --dpkgopt=path-exclude=/usr/share/doc/\*
    --dpkgopt=path-include=/usr/share/doc/\*/copyright
)
[ "$(id -u)" = 0 ] || die "only root can make an image"
rm -rf "$WORK"
mkdir -p "$WORK"
mmdebstrap --quiet --mode=root --variant=minbase "${leave[@]}" \
    --include="$(IFS=,; echo "${packages[*]}")" trixie "$root"
