#!/usr/bin/env bash
# Private RabbitMQ and PostgreSQL for the tests, and OpenSSH for them to start: installed by apt when missing, started on
# free loopback ports under target/services, ended by pid. Instances that already run on this machine are never touched.
#
#   tests/support/services.sh run COMMAND…    start, run COMMAND with the addresses in its environment, stop
set -euo pipefail

root="$(cd "$(dirname "$0")/../.." && pwd)"
base="$root/target/services"
say() { printf 'services: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo "$@"
    else fail "needs root or password-less sudo to run: $*"
    fi
}

# Debian starts a service when its package is installed; a policy file keeps it from doing so.
install_packages() {
    command -v apt-get >/dev/null || fail "please install $* (apt-get is not here to do it)"
    say "installing: $*"
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        made=yes
    fi
    local log="$base/apt.log" status=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >"$log" 2>&1 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1 || status=$?
    [ -z "$made" ] || as_root rm -f "$policy"
    [ "$status" = 0 ] || { tail -n 20 "$log" >&2; fail "apt-get could not install $*"; }
}

postgres_bin() {
    local found
    for found in /usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb || echo /nowhere/x)")"; do
        if [ -x "$found/initdb" ] && [ -x "$found/postgres" ]; then echo "$found"; return; fi
    done
}

sshd_server() {
    local found
    for found in "$(command -v sshd || true)" /usr/sbin/sshd; do
        if [ -n "$found" ] && [ -x "$found" ]; then echo "$found"; return; fi
    done
}

rabbit_server() {
    local found
    for found in "$(command -v rabbitmq-server || true)" /usr/sbin/rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server; do
        if [ -n "$found" ] && [ -x "$found" ]; then echo "$found"; return; fi
    done
}

# Below the range the system gives to clients: a reconnecting client must not sit on a stopped broker's port.
free_port() {
    python3 - <<'END'
import random, socket
while True:
    port = random.randint(20000, 32000)
    with socket.socket() as attempt:
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
END
}

# PostgreSQL refuses to run as root; it gets the package's own account then. A plain command, so that its pid is known.
as_user() {
    as=(env HOME="$base")
    [ "$(id -u)" != 0 ] || as=(setpriv --reuid "$1" --regid "$1" --init-groups "${as[@]}")
}

account() {
    if [ "$(id -u)" != 0 ]; then id -un
    elif id -u "$1" >/dev/null 2>&1; then echo "$1"
    else useradd --system --no-create-home "$1" >&2 && echo "$1"
    fi
}

folder() {
    rm -rf "$1"; mkdir -p "$1"
    [ "$(id -u)" != 0 ] || chown "$2" "$1"
}

await() {
    local what="$1" log="$2"; shift 2
    local until=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || { tail -n 20 "$log" >&2 || true; fail "$what did not start within 60 s"; }
        sleep 0.2
    done
}

start_postgres() {
    local bin user port
    bin="$(postgres_bin)"; user="$(account postgres)"; port="$(free_port)"
    folder "$base/postgres" "$user"
    as_user "$user"
    "${as[@]}" "$bin/initdb" -D "$base/postgres/data" -U crossdock -A trust -E UTF8 --no-locale >"$base/initdb.log" 2>&1 ||
        { cat "$base/initdb.log" >&2; fail "initdb failed"; }
    "${as[@]}" "$bin/postgres" -D "$base/postgres/data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories="$base/postgres" >"$base/postgres.log" 2>&1 &
    pids+=($!)
    await PostgreSQL "$base/postgres.log" "$bin/pg_isready" -h 127.0.0.1 -p "$port"
    export CROSSDOCK_TEST_POSTGRES="postgres://crossdock@127.0.0.1:$port/postgres"
    say "PostgreSQL on port $port"
}

start_rabbit() {
    local user port dist
    user="$(account rabbitmq)"; port="$(free_port)"; dist="$(free_port)"
    folder "$base/rabbit" "$user"
    cat >"$base/rabbit/control" <<END
#!/usr/bin/env bash
# \`control start\` runs the broker in the foreground; any other words go to rabbitmqctl.
set -euo pipefail
export HOME="$base/rabbit" RABBITMQ_NODENAME="crossdock-$port@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \\
    RABBITMQ_NODE_PORT=$port RABBITMQ_DIST_PORT=$dist RABBITMQ_MNESIA_BASE="$base/rabbit/mnesia" \\
    RABBITMQ_LOG_BASE="$base/rabbit/log" RABBITMQ_PID_FILE="$base/rabbit/pid" RABBITMQ_ENABLED_PLUGINS_FILE="$base/rabbit/plugins" \\
    RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE="$base/rabbit/none" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$epmd
bin=/usr/lib/rabbitmq/bin
[ -x "\$bin/rabbitmqctl" ] || bin="\$(dirname "\$(command -v rabbitmqctl)")"
run() { if [ "\$(id -u)" = 0 ]; then exec setpriv --reuid "$user" --regid "$user" --init-groups "\$@"; else exec "\$@"; fi; }
cd "$base/rabbit"
if [ "\${1:-}" = start ]; then run "\$bin/rabbitmq-server"; fi
run "\$bin/rabbitmqctl" "\$@"
END
    chmod 755 "$base/rabbit/control"
    echo '[].' >"$base/rabbit/plugins"
    "$base/rabbit/control" start >"$base/rabbit.log" 2>&1 &
    pids+=($!)
    await RabbitMQ "$base/rabbit.log" "$base/rabbit/control" await_startup --timeout 5
    export CROSSDOCK_TEST_AMQP="amqp://guest:guest@127.0.0.1:$port/%2f" CROSSDOCK_TEST_RABBITMQCTL="$base/rabbit/control"
    say "RabbitMQ on port $port"
}

stop_all() {
    local pid
    if [ -x "$base/rabbit/control" ]; then "$base/rabbit/control" stop >/dev/null 2>&1 || true; fi
    for pid in "${pids[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    # Erlang's port mapper detaches itself; this one listens on our own port only.
    ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd" epmd -kill >/dev/null 2>&1 || true
}

[ "${1:-}" = run ] && [ $# -ge 2 ] || fail "usage: services.sh run COMMAND…"
shift
mkdir -p "$base"
missing=()
[ -n "$(rabbit_server)" ] || missing+=(rabbitmq-server)
[ -n "$(postgres_bin)" ] || missing+=(postgresql)
[ -n "$(sshd_server)" ] || missing+=(openssh-server)
command -v ssh-keygen >/dev/null || missing+=(openssh-client)
command -v setpriv >/dev/null || missing+=(util-linux)
command -v python3 >/dev/null || missing+=(python3)
[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
# The fault suite's tools; a row that lacks one says so.
missing=()
command -v strace >/dev/null || missing+=(strace)
command -v faketime >/dev/null || missing+=(faketime)
[ "${#missing[@]}" = 0 ] || (install_packages "${missing[@]}") || true
pids=()
epmd="$(free_port)"
trap stop_all EXIT
start_postgres
start_rabbit
# tests start servers of their own; run by root, OpenSSH wants this folder
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
CROSSDOCK_TEST_SSHD="$(sshd_server)"
export CROSSDOCK_TEST_SSHD
status=0
"$@" || status=$?
exit "$status"
