# Makes the database, once, and serves it.
set -eu
if [ ! -e "$PGDATA/made" ]; then
    rm -rf "$PGDATA" # one that was half made
    initdb --username coinbox --pwfile /run/secrets/postgres --auth scram-sha-256 >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE coinbox" | postgres --single -D "$PGDATA" postgres >/dev/null
    touch "$PGDATA/made"
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
