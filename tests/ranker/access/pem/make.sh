#!/bin/sh
# Makes the certificates that tests use, for a hundred years. They are no secret: trust none of them elsewhere.
set -eu
cd "$(dirname "$0")"
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
        -keyout "$1.key" -out "$1.pem" -subj "/CN=feedrank test $1" 2>/dev/null
}
signed() { # name, authority, subject alternative names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/CN=feedrank test $1" 2>/dev/null
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 36500 -extfile "$1.ext" \
        -out "$1.pem" 2>/dev/null
    rm "$1.csr" "$1.ext"
}
authority ca
authority stranger
signed server ca DNS:localhost,IP:127.0.0.1,IP:::1
signed renewed ca DNS:localhost,IP:127.0.0.1,IP:::1
signed client ca DNS:backend
signed outsider stranger DNS:outsider
rm -f ./*.srl ca.key stranger.key
