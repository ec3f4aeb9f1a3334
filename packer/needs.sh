#!/usr/bin/env bash
# Installs what building the image needs, and with `test` what booting it needs, too: only what is absent.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "twinpost: only root can make or test an image" >&2; exit 1; }
packages=(
    packer mmdebstrap debian-archive-keyring squashfs-tools xorriso mtools dosfstools openssl
    grub-common grub2-common grub-pc-bin grub-efi-amd64-bin
)
[ "${1:-}" != test ] || packages+=(qemu-system-x86 qemu-utils ovmf seabios ipxe-qemu iproute2 nftables)
missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "twinpost: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
