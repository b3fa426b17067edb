#!/bin/sh
# The check of kubectl gpu-mcp on this machine's GPU: sh run.sh OUT_DIR. No network is needed.
set -eu
out=${1:?name a folder for the results}
here=$(cd "$(dirname "$0")" && pwd)
work=${GPU_CHECK_WORK:-$(mktemp -d /tmp/gpu-check-pack.XXXXXX)}
if [ ! -e "$work/gpu-check" ]; then
  if command -v xz >/dev/null; then
    xz -dc -T0 "$here/pack.tar.xz" | tar -x -C "$work"
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$here/pack.tar.xz" "$work"
  fi
fi
pack=$work/gpu-check
node=$pack/rootfs/usr/bin/node
"$node" --version >/dev/null 2>&1 || { echo "the image's node does not start on this machine" >&2; exit 1; }
exec "$node" "$pack/plugin/dist/check.mjs" "$out"
