"""Runs jwcrypto: python3 jwcrypto_partner.py version|compact|flattened|decrypt [KEY]

Reads stdin and writes stdout. KEY is a PEM file.
"""

import sys
from importlib.metadata import version

from jwcrypto import jwe, jwk

HEADER = '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}'


def encrypt(octets, key, compact):
    token = jwe.JWE(octets, protected=HEADER)
    token.add_recipient(key)
    return token.serialize(compact=compact).encode()


def decrypt(octets, key):
    token = jwe.JWE()
    # A file ends in a newline, and a JWE does not: jwcrypto leaves that to its caller.
    token.deserialize(octets.decode().strip())
    try:
        token.decrypt(key)
    except jwe.InvalidJWEData:
        if token.decryptlog == ["Success"] and token.plaintext == b"":
            sys.exit("NOT RUN: jwcrypto decrypts an empty plaintext, and then takes it for none")
        raise
    return token.plaintext


def main(mode, *files):
    if mode == "version":
        return version("jwcrypto").encode()
    with open(files[0], "rb") as file:
        key = jwk.JWK.from_pem(file.read())
    octets = sys.stdin.buffer.read()
    if mode == "decrypt":
        return decrypt(octets, key)
    return encrypt(octets, key, compact=mode == "compact")


sys.stdout.buffer.write(main(*sys.argv[1:]))
