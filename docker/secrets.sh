# Makes up each secret that is not there yet. Who reads it has it in a volume of his own.
set -eu
umask 022

# share NAME VALUE READER...: gives the readers what the first one has, or else the value.
share() {
    name=$1 value=$2 first=$3
    [ ! -s "/secrets/$first/$name" ] || value=$(cat "/secrets/$first/$name")
    [ -n "$value" ]
    shift 2
    for reader; do
        printf %s "$value" >"/secrets/$reader/$name.new"
        mv "/secrets/$reader/$name.new" "/secrets/$reader/$name"
    done
}

word() {
    python3 -c 'import secrets; print(secrets.token_hex(16))'
}

share coinbox_http__token "$(word)" gateway prometheus
share coinbox_pbx__pbx__secret "$(word)" gateway asterisk
share coinbox_payments__webhook_secret \
    "$(python3 -c 'import base64, secrets; print("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())')" \
    gateway provider
share valkey "$(word)" valkey
share coinbox_store__url "redis://:$(cat /secrets/valkey/valkey)@valkey:6379/0" gateway
share softphone "$(word)" asterisk gateway
share postgres "$(word)" postgres
