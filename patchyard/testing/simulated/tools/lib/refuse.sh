# What a stand-in does with a call that it was not told: it names it, notes it, and ends with 97.
refuse() {
  printf 'simulated machine: not told how to answer: %s %s\n' "${0##*/}" "$*" >&2
  printf '%s %s\n' "${0##*/}" "$*" >>"$PATCHYARD_ROOT/.simulated/refused"
  exit 97
}
