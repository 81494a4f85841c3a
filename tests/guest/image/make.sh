#!/usr/bin/env bash
# Makes what the guest of the tests boots from: kernel, initrd and root.img, in the folder OUT. Needs root.
# Called by tests/guest/machine/image.rs: make.sh OUT
#
# The system is this machine's own release, so that what is built here runs there, or RPMCTL_GUEST_RELEASE. A whole one
# needs minutes to boot without KVM; this one has no udev, no login, no modules but those of the initrd.
set -euo pipefail
out=$1
here=$(cd "$(dirname "$0")" && pwd)
. /etc/os-release
case $ID in
debian) components=main kernel=linux-image-cloud-amd64 ;;
ubuntu) components=main,universe kernel=linux-image-virtual ;;
*)
    echo "the guest is made from packages of this machine's own release, and $ID is neither Debian nor Ubuntu" >&2
    exit 1
    ;;
esac

release=${RPMCTL_GUEST_RELEASE:-$VERSION_CODENAME}

# In memory, and gone with this process however it ends.
if [ -z "${RPMCTL_GUEST_ALONE-}" ]; then
    RPMCTL_GUEST_ALONE=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- "$0" "$out"
fi
work=$out/work
mkdir -p "$work"
mount -t tmpfs -o mode=0755 tmpfs "$work"
mkdir "$work/packages"
root=$work/root

# The packages of the kernel and of the initrd are only unpacked: installing them would make another initrd.
# shellcheck disable=SC2016 # a script of its own
fetch='
    export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
    cd "$PACKAGES"
    kernel=$(apt-cache depends "$KERNEL" | sed -n "s/^ *Depends: \(linux-image-[^ ]*\)$/\1/p" | head -n 1)
    apt-get download -q busybox-static "${kernel:-$KERNEL}" ${kernel:+$(apt-cache depends "$kernel" | sed -n "s/^ *Depends: \(linux-modules-[^ ]*\)$/\1/p")}
'
# What fills a disk and is read by nobody here.
excluded=()
for path in doc man locale info lintian i18n bash-completion zoneinfo/right zoneinfo/posix; do
    excluded+=("--dpkgopt=path-exclude=/usr/share/$path/*")
done
PACKAGES=$work/packages KERNEL=$kernel mmdebstrap --quiet --mode=root --variant=essential \
    --components=$components \
    --include=systemd,systemd-sysv,dbus,procps,nodejs,python3,rpm \
    --aptopt='Acquire::Languages "none"' "${excluded[@]}" \
    --customize-hook="$fetch" \
    "$release" "$root"

for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
cp "$work"/unpacked/boot/vmlinuz-* "$out/kernel"

initrd=$work/initrd
mkdir -p "$initrd/bin" "$initrd/modules"
cp "$here/init" "$initrd/init"
cp "$(find "$work/unpacked/bin/busybox" "$work/unpacked/usr/bin/busybox" 2>/dev/null | head -n 1)" "$initrd/bin/busybox"
for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_console; do
    # Missing where the kernel has it built in.
    find "$work/unpacked/lib/modules" "$work/unpacked/usr/lib/modules" -name "$module.ko*" -exec cp {} "$initrd/modules/" \; 2>/dev/null || true
done
# As some releases have them.
find "$initrd/modules" -name '*.ko.xz' -exec xz --decompress {} +
find "$initrd/modules" -name '*.ko.zst' -exec zstd --quiet --decompress --rm {} +
(cd "$initrd" && find . | bin/busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$out/initrd"

# Nothing that waits for a terminal, loads modules or works by the clock.
units=$root/etc/systemd/system
for unit in getty.target console-getty.service systemd-logind.service systemd-random-seed.service \
    systemd-modules-load.service modprobe@.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-initctl.socket systemd-pstore.service systemd-sysusers.service \
    systemd-binfmt.service systemd-ask-password-console.path systemd-ask-password-wall.path \
    cryptsetup.target integritysetup.target veritysetup.target remote-fs.target \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
    systemd-tmpfiles-clean.timer; do
    ln -sf /dev/null "$units/$unit"
done
mkdir -p "$root/etc/systemd/system-generators"
for generator in systemd-getty-generator systemd-gpt-auto-generator; do
    ln -sf /dev/null "$root/etc/systemd/system-generators/$generator"
done
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
cat >"$units/guest-agent.service" <<'EOF'
[Unit]
Description=Runs what the tests say
DefaultDependencies=no
After=dbus.socket
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStart=/opt/guest/agent
# What it runs for a test that asks for a reboot must not hold the reboot up.
TimeoutStopSec=2s
TasksMax=infinity
EOF
mkdir -p "$units/sysinit.target.wants" "$root/opt/guest" "$root/var/log/journal"
ln -s ../guest-agent.service "$units/sysinit.target.wants/"
ln -s /opt/guest/rpmctl "$root/usr/local/bin/rpmctl"
echo guest >"$root/etc/hostname"
echo "127.0.0.1 localhost guest" >"$root/etc/hosts"
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
: >"$root/etc/fstab"
chroot "$root" useradd --create-home --uid 1000 --shell /bin/sh app

mke2fs -q -t ext4 -E lazy_itable_init=1,root_owner=0:0 -d "$root" "$out/root.img" 8G
