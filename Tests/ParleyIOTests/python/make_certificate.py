"""Writes two authorities, each with a server's certificate and key, into a folder: make_certificate.py FOLDER."""

import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(subject, issuer, public_key, signer, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def main(folder, prefix, names):
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = certificate(
        "Test authority", "Test authority", authority_key.public_key(), authority_key,
        [
            (x509.BasicConstraints(True, None), True),
            (usage, True),
            (x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), False),
        ])
    server = certificate(
        "Test server", "Test authority", server_key.public_key(), authority_key,
        [
            (x509.SubjectAlternativeName([general_name(name) for name in names]), False),
            # Python 3.13 verifies strictly: RFC 5280 section 4.2.1.1 demands it.
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False),
        ])
    pem = serialization.Encoding.PEM
    (folder / f"{prefix}-ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / f"{prefix}.pem").write_bytes(server.public_bytes(pem))
    (folder / f"{prefix}.key").write_bytes(
        server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


main(pathlib.Path(sys.argv[1]), "both", ["localhost", "127.0.0.1"])
main(pathlib.Path(sys.argv[1]), "name", ["localhost"])
