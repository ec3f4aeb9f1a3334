#!/bin/bash
# Boots a Debian in namespaces of its own, as a machine: boot.sh ROOT GROUP.
# GROUP is its control group; the network namespace is the caller's.
set -euo pipefail
root=$1 group=$2
if [ "${3:-}" != inside ]; then
    hierarchy=$(mktemp -d)
    mount -t cgroup2 cgroup2 "$hierarchy"
    mkdir -p "$hierarchy/$group"
    echo $$ >"$hierarchy/$group/cgroup.procs"
    umount "$hierarchy"
    rmdir "$hierarchy"
    exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child=KILL -- "$0" "$root" "$group" inside
fi
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
# As containers have it: systemd then expects no udev.
mount -o remount,bind,ro "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs tmpfs "$root/$folder"; done
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
hostname "$(basename "$root")"
cd "$root"
pivot_root . mnt
# What is mounted later is seen in the sandboxes of units, too, as on a machine.
exec chroot . env -i container=twinpost PATH=/usr/sbin:/usr/bin sh -c \
    'umount --lazy /mnt && mount --make-rshared / && exec /sbin/init' </dev/null >/dev/null 2>&1
