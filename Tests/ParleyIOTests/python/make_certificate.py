"""Writes authorities and the certificates and keys of servers and clients into a folder: make_certificate.py FOLDER."""

import datetime
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)


def certificate(subject, issuer, public_key, signer, extensions, days=(-1, 1)):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def name(*parts):
    kinds = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME}
    return x509.Name([x509.NameAttribute(kinds[kind], text) for kind, text in parts])


def general_name(text):
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    if "@" in text:
        return x509.RFC822Name(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    def __init__(self, folder, prefix):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(("CN", "Test authority"))
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        own = certificate(
            self.name, self.name, self.key.public_key(), self.key,
            [
                (x509.BasicConstraints(True, None), True),
                (usage, True),
                (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
            ])
        (folder / f"{prefix}-ca.pem").write_bytes(own.public_bytes(PEM))

    def issue(self, prefix, subject, names, purpose=None, days=(-1, 1)):
        key = ec.generate_private_key(ec.SECP256R1())
        # Python 3.13 verifies strictly: RFC 5280 section 4.2.1.1 demands it.
        extensions = [(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)]
        if names:
            extensions.append((x509.SubjectAlternativeName([general_name(text) for text in names]), False))
        if purpose:
            extensions.append((x509.ExtendedKeyUsage([purpose]), False))
        issued = certificate(subject, self.name, key.public_key(), self.key, extensions, days)
        (self.folder / f"{prefix}.pem").write_bytes(issued.public_bytes(PEM))
        for suffix, encryption in (
            ("key", serialization.NoEncryption()), ("sealed-key", serialization.BestAvailableEncryption(b"secret"))):
            (self.folder / f"{prefix}.{suffix}").write_bytes(
                key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption))


def main(folder):
    server = name(("CN", "Test server"))
    both = Authority(folder, "both")
    both.issue("both", server, ["localhost", "127.0.0.1"])
    both.issue("renewed", server, ["localhost", "127.0.0.1"])
    both.issue("alpha", server, ["alpha.example", "shared.example"])
    both.issue("wild", server, ["*.wild.example", "shared.example"])
    Authority(folder, "name").issue("name", server, ["localhost"])

    clients = Authority(folder, "client")
    desk = name(("O", "Example, Inc."), ("CN", "desk 7"))
    names = ["desk7.example", "https://example.com/desks/7", "desk7@example.com", "127.0.0.1"]
    client_purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    clients.issue("client", desk, names, client_purpose)
    clients.issue("plain-client", desk, [])
    clients.issue("expired-client", desk, names, client_purpose, days=(-2, -1))
    clients.issue("early-client", desk, names, client_purpose, days=(1, 2))
    clients.issue("server-as-client", desk, names, ExtendedKeyUsageOID.SERVER_AUTH)
    Authority(folder, "stranger").issue("stranger-client", desk, names, client_purpose)


main(pathlib.Path(sys.argv[1]))
