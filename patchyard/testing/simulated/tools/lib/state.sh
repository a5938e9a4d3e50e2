# Where the state of a simulated machine lies, and how it moves. Needs $PATCHYARD_ROOT.
S="$PATCHYARD_ROOT/.simulated"
LIB="${0%/*}/lib"
. "$LIB/refuse.sh"

packages() { awk -f "$LIB/packages.awk" "$@" "$S/catalogue" "$S/installed"; }

fault() { [ -e "$S/faults/$1" ]; }

# Take the machine's package lock, as long as the caller lives.
lock_packages() { exec 7>>"$S/lock"; flock 7; }

# The words in $*, with each archive as " NAME|VERSION". An archive is named by its path.
of_archives() {
  for _want; do
    case "$_want" in
      /*.deb)
        IFS='|' read -r _name _ _version <"$_want" || { echo "E: Unsupported file $_want given on commandline" >&2; exit 100; }
        printf ' %s|%s' "$_name" "$_version" ;;
      *) printf ' %s' "$_want" ;;
    esac
  done
}

# The services whose files or libraries have changed. $1: lines of name, tab, new version.
after_packages() {
  awk -F '\t' -v OFS='\t' -v breaking="$S/faults/breaks" '
    BEGIN { while ((getline line < breaking) > 0) { split(line, b, "\t"); bad[b[1], b[2]] = b[3] } }
    FNR == NR { new[$1] = $2; next }
    {
      n = split($4, own, ","); m = split($5, libraries, ",")
      for (i = 1; i <= m; i++) if (libraries[i] in new) $6 = 1
      for (i = 1; i <= n; i++) if (own[i] in new) {
        $6 = 0
        $3 = (($1, own[i]) in bad) && bad[$1, own[i]] == new[own[i]] ? "failed" : "running"
      }
      print
    }' "$1" "$S/services" >"$S/services.new" && mv "$S/services.new" "$S/services"
  while IFS='	' read -r _name _version; do
    case "$_name" in
      linux-image-[0-9]*)
        own_boot
        if [ "$_version" = - ]; then rm -f "$PATCHYARD_ROOT/boot/vmlinuz-${_name#linux-image-}"
        else
          : >"$PATCHYARD_ROOT/boot/vmlinuz-${_name#linux-image-}"
          echo '*** System restart required ***' >"$PATCHYARD_ROOT/run/reboot-required"
          echo "$_name" >>"$PATCHYARD_ROOT/run/reboot-required.pkgs"
        fi ;;
    esac
  done <"$1"
}

# /boot is shared by all machines until one of them changes its own.
own_boot() {
  [ -L "$PATCHYARD_ROOT/boot" ] || return 0
  cp -rL "$PATCHYARD_ROOT/boot" "$PATCHYARD_ROOT/boot.new"
  rm "$PATCHYARD_ROOT/boot" && mv "$PATCHYARD_ROOT/boot.new" "$PATCHYARD_ROOT/boot"
}

# Services and packages are shared too; a tool that writes replaces the link.
replace_installed() { mv "$S/installed.new" "$S/installed"; }

# A lock that somebody else holds: $1 the lock file, $2 how long to wait, in seconds.
wait_for_lock() {
  _tries=$(($2 * 5))
  while fault lock; do
    if [ "$_tries" -le 0 ]; then
      read -r _pid _who <"$S/faults/lock"
      printf 'E: Could not get lock %s. It is held by process %s (%s)\n' "$1" "$_pid" "$_who" >&2
      printf 'N: Be aware that removing the lock file is not a solution and may break your system.\n' >&2
      printf 'E: Unable to acquire the dpkg frontend lock (%s), is another process using it?\n' "$1" >&2
      exit 100
    fi
    _tries=$((_tries - 1)); sleep 0.2
  done
}

interrupted() {
  [ -e "$PATCHYARD_ROOT/var/lib/dpkg/updates/0001" ] || return 1
  printf "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. \n" >&2
}
