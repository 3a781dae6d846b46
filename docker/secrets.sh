# Makes up each secret that is not there yet. They are for the containers that mount the volume.
set -eu
umask 022
cd /run/secrets

keep() {
    [ -s "$1" ] || { printf %s "$2" >"$1.new" && mv "$1.new" "$1"; }
}

word() {
    python3 -c 'import secrets; print(secrets.token_hex(16))'
}

keep coinbox_http__token "$(word)"
keep coinbox_pbx__pbx__secret "$(word)"
keep coinbox_payments__webhook_secret \
    "$(python3 -c 'import base64, secrets; print("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())')"
keep valkey "$(word)"
keep coinbox_store__url "redis://:$(cat valkey)@valkey:6379/0"
keep softphone "$(word)"
keep postgres "$(word)"
