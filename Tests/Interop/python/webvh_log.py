"""Writes the history of a did:webvh, for Tests/Interop/CommandLineTests.swift.

webvh_log.py LOCATION FOLDER KEY: two versions of a document with the Multikey KEY, the second by a key that the first
has promised, approved by one of two witnesses; did.jsonl and did-witness.json go to FOLDER, and the DID is printed. It
knows the specification of did:webvh 1.0 and nothing of the Swift code.
"""

import hashlib
import json
import pathlib
import sys

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2, 3, 4)]
METHOD = {"method": "did:webvh:1.0", "scid": "{SCID}"}


def canonical(value) -> bytes:
    # Names and texts are ASCII and numbers small integers, so this is RFC 8785.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def multihash(data: bytes) -> str:
    return base58.b58encode(b"\x12\x20" + hashlib.sha256(data).digest()).decode()


def multikey(key: Ed25519PrivateKey) -> str:
    return "z" + base58.b58encode(b"\xed\x01" + key.public_key().public_bytes_raw()).decode()


def proof(key: Ed25519PrivateKey, document: dict) -> dict:
    name = multikey(key)
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": f"did:key:{name}#{name}",
        "created": "2026-01-01T00:00:00Z",
        "proofPurpose": "assertionMethod",
    }
    message = hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(document)).digest()
    return options | {"proofValue": "z" + base58.b58encode(key.sign(message)).decode()}


def main() -> None:
    location, folder, key = sys.argv[1:]
    first, second, *witnesses = KEYS
    did = f"did:webvh:{{SCID}}:{location}"
    state = {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "verificationMethod": [
            {"id": did + "#k", "type": "Multikey", "controller": did, "publicKeyMultibase": key},
        ],
        "authentication": ["#k"],
    }
    names = [{"id": "did:key:" + multikey(witness)} for witness in witnesses]
    parameters = METHOD | {
        "updateKeys": [multikey(first)],
        "nextKeyHashes": [multihash(multikey(second).encode())],
        "witness": {"threshold": 1, "witnesses": names},
    }
    entry = {"versionId": "{SCID}", "versionTime": "2026-01-01T00:00:00Z", "parameters": parameters, "state": state}
    scid = multihash(canonical(entry))
    entry = json.loads(json.dumps(entry).replace("{SCID}", scid))
    lines = []
    for number, signer in ((1, first), (2, second)):
        entry["versionId"] = f"{number}-{multihash(canonical(entry))}"
        lines.append(json.dumps(entry | {"proof": [proof(signer, entry)]}))
        last = entry["versionId"]
        rotation = {"updateKeys": [multikey(second)], "nextKeyHashes": []}
        entry |= {"versionTime": "2026-01-02T00:00:00Z", "parameters": rotation}
    path = pathlib.Path(folder)
    (path / "did.jsonl").write_text("".join(line + "\n" for line in lines))
    approval = {"versionId": last, "proof": [proof(witnesses[1], {"versionId": last})]}
    (path / "did-witness.json").write_text(json.dumps([approval]))
    print(did.replace("{SCID}", scid))


if __name__ == "__main__":
    main()
