#!/bin/bash
# flowplan:1 stack=llm lineage=5f0c6a52-8c1e-4c37-9e9b-2f0d7c1e8a11 address=bid.flow-sdk-batch-task-example generation=1 intent=b7e23ec29af22b0b4e41da31e868d572 inputs=17ed66b01d1f1dd835c25c263269edd95033c1234daa65b353a049d8336ea8c7 ports=8080,6006-6010,8441-8445:8001-8005 mounts=vol_0123456789abcdefghij:/mnt/my-new-volume,vol_fedcba9876543210:/mnt/shared,vol_fedcba9876543210:/data/shared
# Made by flowplan. Log: /var/log/flowplan-startup.log
set -uo pipefail
root=''
ports='8080 6006-6010 8441-8445:8001-8005'
patience=120
mounts=(share shared /data/shared disk /dev/disk/by-id/virtio-vol_0123456789abcdef /mnt/my-new-volume share shared /mnt/shared disk /dev/nvme1n1 /scratch)
image=ghcr.io/a/b:1
run_options=(--gpus all -e 'GREETING=hello world' -p 80:80)
sha256=a294a5ea810a50cd506b5b8cb71ca5c683d40738f2ba399e5faa18e4f008a244
log=$root/var/log/flowplan-startup.log
status=$root/var/run/flowplan/status

say() {
  printf 'flowplan: %s\n' "$*"
}

report() {
  echo "$1=$2" >>"$status"
}

outcome() {
  local code=$?
  if ((code)); then
    say "$1: failed ($code)"
    report "$1" failed
  else
    say "$1: ok"
    report "$1" ok
  fi
}

systemd() {
  [ -d "$root/run/systemd/system" ]
}

unit() {
  mkdir -p "$root/etc/systemd/system"
  printf '%s\n' "${@:2}" >"$root/etc/systemd/system/$1"
  systemctl daemon-reload
}

keep() {
  (
    trap '' HUP
    while :; do
      "$@" || :
      sleep 5
    done
  ) >>"$log" 2>&1 &
}

publish() {
  local path
  [ "$1" = "$2" ] || forward "$1" "$2"
  if systemd && systemctl cat foundrypf@.service >/dev/null 2>&1; then
    :
  elif ! path=$(command -v foundrypf); then
    say 'foundrypf: not found'
    return 1
  elif systemd; then
    unit foundrypf@.service '[Unit]' 'Description=Publish port %i' 'After=network.target' \
      'StartLimitIntervalSec=0' '[Service]' "ExecStart=$path %i" 'Restart=always' 'RestartSec=5' \
      '[Install]' 'WantedBy=multi-user.target'
  else
    keep "$path" "$1"
    return
  fi
  systemctl enable --now "foundrypf@$1.service"
}

forward() {
  local name=flowplan-forward-$1 proxy
  if systemd && proxy=$(PATH=$root/usr/lib/systemd:$root/lib/systemd command -v systemd-socket-proxyd); then
    unit "$name.service" '[Unit]' "Requires=$name.socket" "After=$name.socket" \
      '[Service]' "ExecStart=$proxy 127.0.0.1:$2"
    unit "$name.socket" '[Socket]' "ListenStream=$1" '[Install]' 'WantedBy=sockets.target'
    systemctl enable --now "$name.socket"
  elif command -v socat >/dev/null; then
    keep socat "TCP-LISTEN:$1,fork,reuseaddr" "TCP:127.0.0.1:$2"
  else
    say 'neither systemd-socket-proxyd nor socat: not forwarded'
    return 1
  fi
}

pause() {
  ((SECONDS < patience)) && sleep 1
}

remember() {
  local fstab=$root/etc/fstab
  grep -qsxF "$1" "$fstab" && return
  [ -z "$(tail -c 1 "$fstab")" ] || echo >>"$fstab"
  echo "$1" >>"$fstab"
}

readable() {
  blockdev --getsize64 "$1" >/dev/null 2>&1 && head -c 1048576 "$1" >/dev/null
}

mount_disk() {
  local device=$root$1 found code=0
  mountpoint -q "$root$2" && return
  until readable "$device"; do
    pause || { say "$1: no readable disk after $SECONDS s" && return 1; }
  done
  found=$(blkid -p "$device" 2>&1) || code=$?
  if ((code == 2)) && [ -z "$found" ]; then
    mkfs.ext4 -q "$device"
  elif ((code)); then
    say "$1: left alone, blkid exits with $code: $found"
    return 1
  fi
  mkdir -p "$root$2"
  remember "$1 $2 auto defaults,nofail 0 2"
  mount "$device" "$root$2"
}

mount_share() {
  local share=/mnt/$1
  until mountpoint -q "$root$share"; do
    pause || { say "$share: not mounted after $SECONDS s" && return 1; }
  done
  mountpoint -q "$root$2" && return
  mkdir -p "$root$2"
  remember "$share $2 none bind,nofail 0 0"
  mount --bind "$root$share" "$root$2"
}

start_image() {
  docker pull -- "$image"
  docker run --detach "${run_options[@]}" -- "$image"
}

user_script() {
  base64 -d <<'END'
IyEvYmluL2Jhc2gKZWNobyBoZWxsbwpudmlkaWEtc21pCg==
END
}

run_script() {
  local file=$work/script start code=0
  user_script >"$file"
  if ! echo "$sha256  $file" | sha256sum --check --status; then
    say 'script: damaged, not run'
    report script damaged
    exit 1
  fi
  chmod 0700 "$file"
  read -r -n 2 start <"$file"
  report script running
  if [ "$start" = '#!' ]; then
    "$file" || code=$?
  else
    bash "$file" || code=$?
  fi
  say "script: exit code $code"
  report script "exit $code"
  exit "$code"
}

main() {
  exec </dev/null
  SECONDS=0
  export HOME="${HOME:-/root}" USER="${USER:-root}"
  export PATH="$PATH:$root/usr/local/bin:$root/usr/local/sbin:$root/usr/sbin:$root/sbin"
  mkdir -p "$root/var/log" "${status%/*}"
  : >"$status"
  (umask 077 && : >>"$log")
  exec > >(exec tee -a "$log") 2>&1
  work=$(mktemp -d "$root/var/lib/flowplan.XXXXXXXX" || mktemp -d) || exit 1
  trap 'rm -rf "$work"' EXIT
  local range external internal port
  for range in $ports; do
    external=${range%:*} internal=${range#*:}
    for ((port = ${external%-*}; port <= ${external#*-}; port++)); do
      (set -e; publish "$port" $((port - ${external%-*} + ${internal%-*})))
      outcome "port.$port"
    done
  done
  local i
  for ((i = 0; i < ${#mounts[@]}; i += 3)); do
    (
      set -e
      if [ "${mounts[i]}" = disk ]; then
        mount_disk "${mounts[i + 1]}" "${mounts[i + 2]}"
      else
        mount_share "${mounts[i + 1]}" "${mounts[i + 2]}"
      fi
    )
    outcome "mount.${mounts[i + 2]}"
  done
  (set -e; start_image)
  outcome image
  run_script
}

main
