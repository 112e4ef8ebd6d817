#!/bin/sh
# Mounts as uid 1000 and looks at the mount as its owner and as root.
# Runs in a mount namespace of its own, where /dev/fuse is open to users as it usually is.
# $1: the script of the memory server
set -u
dir=$(mktemp -d)
trap 'fusermount3 -uz "$dir/mnt" 2>/dev/null; umount -l "$dir/mnt" 2>/dev/null; umount /dev/fuse 2>/dev/null; rm -rf "$dir"' EXIT
chmod 755 "$dir"
mknod -m 666 "$dir/fuse" c 10 229 && mount --bind "$dir/fuse" /dev/fuse || exit 1
mkdir "$dir/mnt" && chown 1000:1000 "$dir/mnt"
user="setpriv --reuid=1000 --regid=1000 --clear-groups"
mkfifo "$dir/in"
$user "$(command -v node)" "$1" "{\"mount\":{\"mountPoint\":\"$dir/mnt\",\"fsName\":\"user\"}}" <"$dir/in" >"$dir/log" 2>&1 &
exec 9>"$dir/in"
tries=0
until grep -q mounted "$dir/log"; do
  tries=$((tries + 1))
  [ $tries -gt 200 ] && cat "$dir/log" && exit 1
  sleep 0.05
done
$user timeout 5 sh -c "echo hi > $dir/mnt/f" && echo "owner reads $($user timeout 5 cat "$dir/mnt/f")"
timeout 5 ls "$dir/mnt" >/dev/null 2>&1 || echo "root is turned away"
sed -n "s|^user $dir/mnt \(fuse.sessfs\) .*\(user_id=1000\).*|\1 \2|p" /proc/mounts
exec 9>&-
wait
grep -q "$dir/mnt" /proc/mounts || echo gone
