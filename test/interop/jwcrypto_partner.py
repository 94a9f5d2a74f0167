"""Runs jwcrypto: python3 jwcrypto_partner.py version|compact|flattened|decrypt [KEY]

Reads stdin and writes stdout. KEY is a PEM file.
"""

import sys
from importlib.metadata import version

from jwcrypto import jwe, jwk

HEADER = '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}'


def encrypt(plaintext, key, compact):
    token = jwe.JWE(plaintext, protected=HEADER)
    token.add_recipient(key)
    return token.serialize(compact=compact).encode()


def decrypt(serialized, key):
    token = jwe.JWE()
    # jwcrypto rejects the newline at the end of a file.
    token.deserialize(serialized.decode().strip())
    try:
        token.decrypt(key)
    except jwe.InvalidJWEData:
        if token.decryptlog == ["Success"] and token.plaintext == b"":
            sys.exit("NOT RUN: jwcrypto treats an empty plaintext as a failed decryption")
        raise
    return token.plaintext


def main(mode, *files):
    if mode == "version":
        return version("jwcrypto").encode()
    with open(files[0], "rb") as file:
        key = jwk.JWK.from_pem(file.read())
    data = sys.stdin.buffer.read()
    if mode == "decrypt":
        return decrypt(data, key)
    return encrypt(data, key, compact=mode == "compact")


sys.stdout.buffer.write(main(*sys.argv[1:]))
