#!/bin/sh
# A daemon of an ordinary user, in a mount namespace of its own: there /dev/fuse may be opened by everybody.
# The user is nobody, who has a name everywhere: fusermount3 wants to know it.
# Arguments: node, bin/sessfs, a directory of the user's. Prints what the test compares.
set -eu
node=$1 sessfs=$2 dir=$3
mknod "$dir/fuse" c 10 229
chmod 666 "$dir/fuse"
mount --bind "$dir/fuse" /dev/fuse
exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -eu -c '
  node=$1 sessfs=$2 root=$3/store
  export SESSFS_ROOT=$root
  "$node" "$sessfs" daemon >"$3/ready" 2>"$3/log" &
  daemon=$!
  trap "kill $daemon 2>/dev/null || true" EXIT
  until [ -s "$3/ready" ]; do kill -0 "$daemon"; done
  "$node" "$sessfs" create mine >/dev/null
  mount=$(echo "$root"/mnt/*)
  echo hello >"$mount/a"
  echo "$(cat "$mount/a") $(stat -c %u:%g "$mount/a") $(stat -c %a "$root")"
  "$node" "$sessfs" create other --owner 0 2>&1 | head -n 1
  trap - EXIT
  kill "$daemon"
  wait "$daemon"
  echo "exit $?"
  grep -c "$mount " /proc/mounts || true
' sh "$node" "$sessfs" "$dir"
