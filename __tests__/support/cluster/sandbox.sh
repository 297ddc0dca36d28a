#!/usr/bin/env bash
# sandbox.sh FOLDER CGROUP: pid 1 of a test's cluster, in namespaces of its own for mounts, network, processes, cgroups and the host's
# name. Says "ready" when all is there. It ends when its stdin does, so with the test, however that ends; and all others with it.
set -euo pipefail
folder=$1 cgroup=$2
hostname test-node

mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for name in cpu cpuacct cpuset memory devices freezer blkio pids systemd unified; do
  place=/sys/fs/cgroup/$name
  mkdir "$place"
  case $name in
    unified) mount -t cgroup2 cgroup2 "$place" ;;
    systemd) mount -t cgroup -o none,name=systemd cgroup "$place" ;;
    *) mount -t cgroup -o "$name" cgroup "$place" ;;
  esac
  mkdir "$place/$cgroup"
done

# The kubelet sets these for the whole machine; here it finds plain files instead.
mkdir "$folder/sysctl"
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_max{keys,bytes}; do
  file=$folder/sysctl/${name//\//_}
  cat "/proc/sys/$name" > "$file"
  mount --bind "$file" "/proc/sys/$name"
done

mkdir "$folder/var" "$folder/var.work"
mount -t overlay -o "lowerdir=/var,upperdir=$folder/var,workdir=$folder/var.work" overlay /var
mount -t tmpfs -o mode=755 tmpfs /run
# The kubelet's mounts must show in containers.
mount --make-rshared /

ip link set lo up
ip link add cni0 type bridge
ip addr add 10.88.0.1/24 dev cni0
ip link set cni0 up
# There is no way out; what is asked for at a service's address must only get as far as kube-proxy's rules.
ip route add 10.255.0.0/24 dev cni0
echo 1 > /proc/sys/net/ipv4/ip_forward

echo ready
# Bash reaps what loses its parent, as pid 1 has to.
while read -r _; do :; done
