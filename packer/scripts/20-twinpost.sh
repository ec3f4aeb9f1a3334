#!/usr/bin/env bash
# Twinpost from its bundle, by its own installer, without a network; and what makes it an appliance.
. "$HERE/scripts/common.sh"

inside() {
    unshare --net --mount --pid --fork --kill-child chroot "$root" \
        env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 SYSTEMD_OFFLINE=1 \
        sh -euc 'mount -t proc proc /proc; exec "$@"' - "$@"
}

cp -r "$HERE/live/." "$root/"
mkdir -p "$root/bundle" "$root/etc/network" # live-boot writes into the latter, whoever reads it
cp "$bundle" "$root/bundle/bundle"
cp "$DIST/twinpost-bundle.pub" "$DIST/twinpost-install.pyz" "$root/bundle/"
key=$root/bundle/twinpost-bundle.pub
fingerprint=$(openssl pkey -pubin -in "$key" -outform DER | sha256sum | cut -d ' ' -f 1)
options=(--image --appliance --key /bundle/twinpost-bundle.pub --fingerprint "$fingerprint")
[ "$TEST_KEY" = false ] || options+=(--allow-test-key)
inside python3 /bundle/twinpost-install.pyz install /bundle/bundle "${options[@]}"
rm -r "$root/bundle" "$root"/opt/twinpost/releases/*/debs # Debian's packages are installed

# Dates change when the system is packed: what was compiled is known by its content, not by its date.
inside python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash \
    /usr/lib/python3 /usr/lib/python3.13 /opt/twinpost/releases

inside systemctl --quiet enable twinpost-unattended.service

# Each machine makes its own identity at its first boot.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed" "$root/etc/resolv.conf"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/{apt,debconf,ldconfig}/* "$root"/var/log/* \
    "$root"/root/.cache "$root"/tmp/*
