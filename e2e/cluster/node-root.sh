#!/bin/sh
# Runs as the first process of a node's namespaces (mount, pid, net, uts): builds the node's own root
# file system over the machine's, moves into it and becomes the node's init.
# Usage: node-root.sh NAME FOLDER PARTS
set -eu
name=$1
folder=$2
parts=$3

echo "$name" > /proc/sys/kernel/hostname
ip link set lo up

# Upper and work lie on a tmpfs: overlay refuses a file system that is an overlay itself.
mount -t tmpfs -o mode=755 layers "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work" "$folder/layers/root"
mount -t overlay overlay "$folder/layers/root" \
  -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work"
cd "$folder/layers/root"

mkdir -p proc sys dev run tmp opt/gpu-mcp-cluster var/log var/lib/containerd var/lib/kubelet
mount -t proc proc proc
mount --rbind /sys sys

# The node's own /dev, so that a test can make or take device nodes without touching the machine's.
mount -t tmpfs -o mode=755,nosuid dev dev
mkdir dev/pts dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 644 dev/kmsg c 1 11
mknod -m 666 dev/tty c 5 0
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr

mount -t tmpfs -o mode=755 run run
# systemd makes it on every node that has one.
mkdir -p run/log
mount -t tmpfs -o mode=1777 tmp tmp
# containerd's overlay snapshots and the kubelet's volumes need a real file system below them.
mount --bind "$folder/log" var/log
mount --bind "$folder/containerd" var/lib/containerd
mount --bind "$folder/kubelet" var/lib/kubelet
mount --bind "$parts" opt/gpu-mcp-cluster
mount -o remount,bind,ro opt/gpu-mcp-cluster

pivot_root . .
umount -l .
# Mounts of a pod must reach the node and the other way round, as systemd makes it on a real node.
mount --make-rshared /
cd /
exec /opt/gpu-mcp-cluster/pause/pause
