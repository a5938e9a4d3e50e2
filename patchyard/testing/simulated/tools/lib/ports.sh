# The ports on which the running services listen, one a line.
ports() {
  awk -F '\t' '$3 == "running" && $1 == "ssh.service" { print 22 } $3 == "running" && $1 == "nginx.service" { print 80 }' \
    "$PATCHYARD_ROOT/.simulated/services"
}
listens() { for _port in $(ports); do [ "$_port" != "$1" ] || return 0; done; return 1; }
