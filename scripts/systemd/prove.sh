#!/usr/bin/env bash
# Proves the unit with a real systemd: as PID 1 of namespaces of its own it runs sessfs.service while a
# client works on a mount, through restarts, crashes, reloads and the watchdog. Needs root, systemd,
# cgroup v2 and util-linux; takes a minute. Exits 0 if the client saw no error and every byte is right.
#
#   npm run build && scripts/systemd/prove.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)

# What is mounted already is not ours: a mount that this kept in its copy of the table would live on.
detach_foreign_mounts() {
  awk '$0 ~ / - fuse[. ]/ && $0 !~ /fusectl/ { print $5 }' /proc/self/mountinfo | while read -r point; do
    umount -l "$point"
  done
}

# In namespaces of its own: only the units of this proof, and nothing of the host that could be written.
become_systemd() {
  mount -t proc proc /proc
  mount --bind /proc/sys /proc/sys
  mount -o remount,ro,bind /proc/sys
  detach_foreign_mounts
  umount -l /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t tmpfs tmpfs /run
  for dir in /lib/systemd/system /lib/systemd/system-generators /etc/systemd/system; do
    [ ! -d "$dir" ] || mount -t tmpfs tmpfs "$dir"
  done
  mkdir -p /run/systemd
  cp -r "$work/units" /run/systemd/system
  exec env -i PATH="$PATH" container=unshare /lib/systemd/systemd --system --unit=proof.target \
    </dev/null >"$work/systemd.log" 2>&1
}

write_units() {
  mkdir -p "$work/units/sessfs.service.d"
  for target in proof sysinit basic shutdown umount local-fs multi-user; do
    printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' "$target" >"$work/units/$target.target"
  done
  cp "$here/sessfs.service" "$work/units/"
  cat >"$work/units/sessfs.service.d/proof.conf" <<UNIT
[Service]
ExecStart=
ExecStart=$(command -v node) $project/bin/sessfs daemon --root $work/store
StandardOutput=append:$work/daemon.log
StandardError=append:$work/daemon.log
WatchdogSec=4
UNIT
}

main_pid() { systemctl show sessfs -p MainPID --value; }

tell() {
  echo "$1: $(systemctl show sessfs -p ActiveState,MainPID,NRestarts,NFileDescriptorStore | paste -sd ' ')"
}

# Inside: works on a mount while the daemon under it ends in every way there is.
drive() {
  systemctl start sessfs
  local mount client
  mount=$(node "$project/bin/sessfs" create --root "$work/store" --json |
    sed -n 's/^ *"mountPoint": "\(.*\)",$/\1/p')
  node "$here/client.js" "$mount" >"$work/client.json" &
  client=$!
  sleep 2
  tell "started"
  for round in 1 2 3; do
    systemctl restart sessfs
    tell "restart $round"
    sleep 2
  done
  for round in 1 2 3; do
    kill -KILL "$(main_pid)"
    sleep 4
    tell "SIGKILL $round"
  done
  systemctl kill -s KILL --kill-who=all sessfs
  sleep 4
  tell "SIGKILL of all"
  for round in 1 2; do
    systemctl reload sessfs
    sleep 3
    tell "reload $round"
  done
  kill -STOP "$(main_pid)"
  sleep 9
  tell "watchdog"
  kill -TERM "$client"
  local code=0
  wait "$client" || code=$?
  cat "$work/client.json"
  systemctl stop sessfs
  tell "stopped"
  if grep -q " $work/store/" /proc/self/mountinfo; then
    echo "A mount was left behind"
    code=1
  fi
  return "$code"
}

case "${1:-}" in
  become-systemd) work=$2 && become_systemd ;;
  drive) work=$2 && drive ;;
  *)
    work=$(mktemp -d)
    cgroup=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)/sessfs-proof-$$
    write_units
    mkdir "$cgroup"
    (
      echo "$BASHPID" >"$cgroup/cgroup.procs"
      exec unshare -m -p -C -u -n -i -f --propagation private "$0" become-systemd "$work"
    ) &
    unshared=$!
    finish() {
      kill -KILL "${systemd:-$unshared}" 2>/dev/null || true
      wait "$unshared" 2>/dev/null || true
      for _ in $(seq 50); do
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && break
        sleep 0.1
      done
      rm -rf "$work"
    }
    trap finish EXIT
    sleep 4
    systemd=$(cat "/proc/$unshared/task/$unshared/children")
    systemd=${systemd%% *}
    timeout 120 nsenter -t "$systemd" -m -p -C -u -n -i "$here/prove.sh" drive "$work" ||
      { tail -20 "$work/daemon.log" "$work/systemd.log"; exit 1; }
    ;;
esac
