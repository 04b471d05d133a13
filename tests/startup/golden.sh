#!/bin/bash
# flowplan:1 stack=llm lineage=5f0c6a52-8c1e-4c37-9e9b-2f0d7c1e8a11 address=bid.flow-sdk-batch-task-example generation=1 intent=b7e23ec29af22b0b4e41da31e868d572 inputs=17ed66b01d1f1dd835c25c263269edd95033c1234daa65b353a049d8336ea8c7 ports=8080,6006-6010,8441-8445:8001-8005 mounts=vol_0123456789abcdefghij:/mnt/my-new-volume,vol_fedcba9876543210:/mnt/shared,vol_fedcba9876543210:/data/shared
# Made by flowplan. Log: /var/log/flowplan-startup.log
set -uo pipefail
root=''
ports='8080 6006-6010 8441-8445:8001-8005'
patience=120
mounts=(share shared /data/shared created /dev/disk/by-id/virtio-vol_0123456789abcdef /mnt/my-new-volume share shared /mnt/shared local /dev/nvme1n1 /scratch)
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

blank() {
  local i size end=16777216
  size=$(blockdev --getsize64 "$1") && ((size > 0)) &&
    zeros "$1" 0 $end && zeros "$1" $((size - end)) $end || return
  for ((i = 1; i < 64; i++)); do
    zeros "$1" $((i << 26)) 65536 && zeros "$1" $((size * i / 64)) 65536 || return
  done
}

zeros() {
  local at=$(($2 > 0 ? $2 : 0))
  local rest=$((size - at))
  ((rest <= 0)) || cmp -sn $((rest < $3 ? rest : $3)) "$1" /dev/zero $at 0
}

unused() {
  local file
  for file in /proc/[0-9]*/fd/*; do
    [ ! "$file" -ef "$1" ] || return
  done
}

format() {
  local file
  for file in "$root"/dev/disk/by-id/virtio-*; do
    if [ "$1" = local ] && [ "$file" -ef "$2" ]; then
      say "$2: is a volume, left alone"
      return 1
    fi
  done
  until unused "$2"; do
    pause || { say "$2: in use, left alone" && return 1; }
  done
  blank "$2" || { say "$2: not all zero, left alone" && return 1; }
  mkfs.ext4 -q "$2"
}

mount_disk() {
  local device=$root$2 found code=0
  exec 9>"${status%/*}/lock"
  flock 9
  mountpoint -q "$root$3" && return
  until readable "$device"; do
    pause || { say "$2: no readable disk after $SECONDS s" && return 1; }
  done
  found=$(blkid -p "$device" 2>&1) || code=$?
  if ((code == 2)) && [ -z "$found" ]; then
    if [ "$1" != attached ]; then
      format "$1" "$device"
    else
      say "$2: attached and without a file system, left alone"
      return 1
    fi
  elif ((code)); then
    say "$2: left alone, blkid exits with $code: $found"
    return 1
  fi
  mkdir -p "$root$3"
  remember "$2 $3 auto defaults,nofail 0 2"
  mount "$device" "$root$3"
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
  local parent dir file='' direct='' start rest code=0
  for parent in "$root"/{var/lib,opt,root,var/tmp} '' "$root/var/lib"; do
    dir=$(mktemp -d ${parent:+"$parent/flowplan.XXXXXXXX"}) || continue
    file=$dir/script
    printf '#!%s\n' "$BASH" >"$file"
    chmod 0700 "$file"
    "$file" && direct=1 && break
    rm -r "$dir"
  done 2>/dev/null
  [ "$direct" ] || mkdir -m 0700 "$dir"
  user_script >"$file"
  if ! echo "$sha256  $file" | sha256sum --check --status; then
    say 'script: damaged, not run'
    report script damaged
    exit 1
  fi
  chmod 0700 "$file"
  read -r -n 2 start <"$file"
  report script running
  if [ "$start" != '#!' ]; then
    bash "$file" || code=$?
  elif [ "$direct" ]; then
    "$file" || code=$?
  else
    read -r start rest < <(head -n 1 "$file" | tail -c +3)
    "${start:-bash}" ${rest:+"$rest"} "$file" || code=$?
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
      if [ "${mounts[i]}" = share ]; then
        mount_share "${mounts[i + 1]}" "${mounts[i + 2]}"
      else
        mount_disk "${mounts[@]:i:3}"
      fi
    )
    outcome "mount.${mounts[i + 2]}"
  done
  (set -e; start_image)
  outcome image
  run_script
}

main
