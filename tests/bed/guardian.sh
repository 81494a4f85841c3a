# Boots one bed and takes it down again. Run by boot.rs as `sh -c`, in a mount namespace of its own, so its
# mounts end with it and nobody else sees them.
#
# File descriptor 0 is a pipe from the test process. Its end, however that process ends, ends the bed.
# The bed sits in a PID namespace that dies with the guardian, so a killed guardian leaves no process either,
# only empty folders, which the next guardian sweeps.
set -eu
name=$1     # rpmctl-bed-PID-N: folder, machine and cgroup are called this; PID is the test process
lower=$2    # root directory the bed is an overlay of
hierarchy=$3 # unified | hybrid: how the bed sees cgroups
rpmctl=$4   # the built program

prefix=/var/tmp/rpmctl-bed-
dir=/var/tmp/$name

v2=
while read -r _ at type _; do
    if [ "$type" = cgroup2 ] && [ -z "$v2" ]; then v2=$at; fi
done </proc/mounts
[ -n "$v2" ] || { echo "no cgroup2 file system is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup" >&2; exit 1; }

# The folders that the bed $1 has in the cgroup hierarchies when it sees them as $2: one a line.
cgroups_of() {
    echo "$v2/$1"
    if [ -d /sys/fs/cgroup/systemd ]; then echo "/sys/fs/cgroup/systemd/$1"; fi
    if [ "$2" = hybrid ]; then
        while IFS=: read -r _ controllers path; do
            case $controllers in
            memory | cpu | cpuacct | pids | cpu,cpuacct) echo "/sys/fs/cgroup/$controllers${path%/}/$1" ;;
            esac
        done </proc/self/cgroup
    fi
}

remove_cgroups() {
    left=0
    for folder in $1; do
        if [ -d "$folder" ]; then
            find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || :
            if [ -d "$folder" ]; then left=1; fi
        fi
    done
    return $left
}

# Until all are gone: the kernel frees a cgroup a little after its last process. At most 10 s.
remove_cgroups_of() {
    folders=$(cgroups_of "$1" hybrid)
    tries=0
    until remove_cgroups "$folders"; do
        tries=$((tries + 1))
        if [ $tries -ge 200 ]; then return 1; fi
        sleep 0.05
    done
}

# What a bed left whose guardian was killed.
for stale in "$prefix"* "$v2"/rpmctl-bed-*; do
    stale=${stale##*/}
    owner=${stale#rpmctl-bed-}
    if [ "$owner" != '*' ] && [ ! -d "/proc/${owner%-*}" ]; then
        remove_cgroups_of "$stale" || :
        rmdir "/var/tmp/$stale" 2>/dev/null || :
    fi
done

cgroups=$(cgroups_of "$name" "$hierarchy")
mkdir "$dir"
end() {
    remove_cgroups_of "$name" || :
    umount -l "$dir" 2>/dev/null || :
    rmdir "$dir" || :
}
trap end EXIT

mount -t tmpfs -o mode=755 tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
if [ ! -e usr/lib/systemd/systemd ] && [ ! -e lib/systemd/systemd ]; then
    echo "no systemd under $lower" >&2
    exit 1
fi

# This machine's own services, mounts and host name are no part of the test.
rm -rf etc/systemd/system etc/systemd/user etc/rc?.d/S* etc/rpmctl var/log/journal
mkdir -p etc/systemd/system etc/systemd/user etc/cloud var/log/journal
: >etc/fstab
: >etc/crypttab
: >etc/cloud/cloud-init.disabled
rm -f etc/hostname etc/localtime
echo bed >etc/hostname
echo '127.0.0.1 localhost bed' >etc/hosts
# An existing id keeps systemd from enabling every preset unit as on a first boot.
rm -f etc/machine-id
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
ln -s /dev/null etc/systemd/system/console-getty.service
rm -rf etc/systemd/journald.conf.d etc/systemd/system.conf.d etc/systemd/user.conf.d
rm -f etc/systemd/journald.conf etc/systemd/system.conf etc/systemd/user.conf

# The ordinary user: 1000, with a user manager that runs without a session.
sed -i '/^app:/d;/^[^:]*:[^:]*:1000:/d' etc/passwd etc/group
sed -i '/^app:/d' etc/shadow
echo 'app:x:1000:1000:app:/home/app:/bin/sh' >>etc/passwd
echo 'app:x:1000:' >>etc/group
echo 'app:*:19000:0:99999:7:::' >>etc/shadow
rm -rf home/app
mkdir -p home/app var/lib/systemd/linger
chown 1000:1000 home/app
rm -f var/lib/systemd/linger/*
: >var/lib/systemd/linger/app

mkdir -p usr/local/bin
rm -f usr/local/bin/rpmctl
cp "$rpmctl" usr/local/bin/rpmctl
chmod 755 usr/local/bin/rpmctl
cd /

for folder in $cgroups; do mkdir "$folder"; done
if [ "$hierarchy" = unified ]; then export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1; fi
(
    for folder in $cgroups; do echo 0 >"$folder/cgroup.procs"; done
    exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc \
        systemd-nspawn -q --register=no --keep-unit -M "$name" --hostname=bed -D "$dir/root" \
        --boot --console=read-only --private-network --link-journal=no --resolv-conf=off --timezone=off \
        --notify-ready=yes systemd.unit=multi-user.target systemd.show_status=no 0</dev/null
) &
machine=$!
exec 3<&0
{
    read -r _ <&3 || :
    kill -KILL $machine
} &
watcher=$!
wait $machine || :
kill -KILL $watcher 2>/dev/null || :
