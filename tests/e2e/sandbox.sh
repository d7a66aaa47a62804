#!/bin/bash
# Process 1 of the sandbox: prepares its namespaces, runs the command given, and ends with its exit code.
# When this process ends, the kernel ends all processes, mounts and networks in here. bash, because it collects orphans.
set -euo pipefail
state=$1
cgroup=$2
shift 2

for procs in /sys/fs/cgroup/*/"$cgroup"/daemons/cgroup.procs /sys/fs/cgroup/"$cgroup"/daemons/cgroup.procs; do
  if [ -e "$procs" ]; then echo 0 >"$procs"; fi
done

mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns /run/lib /run/lib-work

# mount points that the machine may not have
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/lib,workdir=/run/lib-work overlay /var/lib
mkdir -p /var/lib/kubelet /var/lib/containerd /var/lib/cni

# kubelet insists on these kernel settings of the whole machine: here it finds files that have the right values
while read -r setting value; do
  echo "$value" >"/run/${setting##*/}"
  mount --bind "/run/${setting##*/}" "/proc/sys/$setting"
done <<'SETTINGS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SETTINGS

ip link set lo up
export TMPDIR=$state/tmp
mkdir -p "$TMPDIR"
"$@" && code=0 || code=$?
exit "$code"
