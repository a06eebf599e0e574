"""An independent witness of Parley's identities, for Tests/ParleyIdentityTests.

Reads one JSON object from standard input, answers with one on standard output. It knows
docs/protocol/identity.md and the packages did-peer-2, did-peer-4 and cryptography, and nothing of the Swift code.
"""

import base64
import hashlib
import json
import os
import sys

import base58
import did_peer_2
import did_peer_4
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def multikey(code: bytes, raw: bytes) -> str:
    return "z" + base58.b58encode(code + raw).decode()


def public_keys(seeds: bytes) -> list[str]:
    keys = [multikey(b"\xed\x01", Ed25519PrivateKey.from_private_bytes(seeds[1:33]).public_key().public_bytes_raw())]
    if seeds[0] == 2:
        keys.append(
            multikey(b"\x91\x24", MLDSA65PrivateKey.from_seed_bytes(seeds[33:65]).public_key().public_bytes_raw())
        )
    return keys


def cipher_key(header: dict, passphrase: str) -> bytes:
    kdf = header["kdf"]
    return Argon2id(
        salt=decode(kdf["salt"]),
        length=32,
        iterations=kdf["iterations"],
        lanes=kdf["lanes"],
        memory_cost=kdf["memory_kib"],
    ).derive(passphrase.encode())


def additional_data(header: dict) -> bytes:
    # Names are ASCII and numbers small integers, so this is RFC 8785.
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return b"parley keystore 1\x00" + canonical.encode()


def peer4(question: dict) -> dict:
    document = json.loads(question["document"])
    long = did_peer_4.encode(document)
    short = did_peer_4.long_to_short(long)
    return {
        "long": long,
        "short": short,
        "resolved": did_peer_4.resolve_short(long),
        "resolved_from_document": did_peer_4.resolve_short_from_doc(json.loads(question["document"]), short),
    }


def peer2(question: dict) -> dict:
    keys = [did_peer_2.KeySpec(did_peer_2.PurposeCode(purpose), key) for purpose, key in question["keys"]]
    did = did_peer_2.generate(keys, question["services"])
    return {"did": did, "resolved": did_peer_2.resolve(did)}


def canonical(value) -> bytes:
    # Names and texts of the logs are ASCII and numbers small integers, so this is RFC 8785.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def multihash(data: bytes) -> str:
    return base58.b58encode(b"\x12\x20" + hashlib.sha256(data).digest()).decode()


def signer(proof: dict, document: dict) -> str | None:
    """The Multikey that signs the document with this proof; None if it does not."""
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    key = proof["verificationMethod"].split("#")[1]
    signature = base58.b58decode(proof["proofValue"][1:])
    message = hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(document)).digest()
    try:
        Ed25519PublicKey.from_public_bytes(base58.b58decode(key[1:])[2:]).verify(signature, message)
    except InvalidSignature:
        return None
    return key


def webvh(question: dict) -> dict:
    """How many entries of a log hold, as far as hashes, keys and approvals go."""
    approvals = {}
    versions = [json.loads(line)["versionId"] for line in question["log"].splitlines()]
    for entry in json.loads(question["witness_file"] or "[]"):
        for proof in entry["proof"] if entry["versionId"] in versions else []:
            witness = f"did:key:{signer(proof, {'versionId': entry['versionId']})}"
            number = versions.index(entry["versionId"]) + 1
            approvals[witness] = max(number, approvals.get(witness, 0))
    before, keys, promised, witness, count = None, [], [], {}, 0
    for number, line in enumerate(question["log"].splitlines(), 1):
        entry = json.loads(line)
        proofs = entry.pop("proof")
        parameters = entry["parameters"]
        if before is None:
            before = parameters["scid"]
            text = json.dumps(entry | {"versionId": "{SCID}"}).replace(before, "{SCID}")
            if multihash(canonical(json.loads(text))) != before:
                break
        if entry["versionId"] != f"{number}-{multihash(canonical(entry | {'versionId': before}))}":
            break
        new_keys = parameters.get("updateKeys", keys)
        if promised and not all(multihash(key.encode()) in promised for key in new_keys):
            break
        if not all(signer(proof, entry) in (new_keys if promised or number == 1 else keys) for proof in proofs):
            break
        approvers = witness or parameters.get("witness", {})
        approving = [one for one in approvers.get("witnesses", []) if approvals.get(one["id"], 0) >= number]
        if approvers and len(approving) < approvers["threshold"]:
            break
        before, keys, count = entry["versionId"], new_keys, number
        promised = parameters.get("nextKeyHashes", promised)
        witness = parameters.get("witness", witness)
    return {"versions": count}


def open_keystore(question: dict) -> dict:
    header = json.loads(question["keystore"])
    sealed = decode(header.pop("sealed"))
    key = cipher_key(header, question["passphrase"])
    try:
        seeds = AESGCM(key).decrypt(decode(header["cipher"]["nonce"]), sealed, additional_data(header))
    except InvalidTag:
        return {"error": "InvalidTag"}
    document = json.loads(header["document"])
    listed = [method["publicKeyMultibase"] for method in document["verificationMethod"]]
    return {
        "suite": seeds[0],
        "ed25519_seed": seeds[1:33].hex(),
        "mldsa65_seed": seeds[33:65].hex() if seeds[0] == 2 else None,
        "keys_match_document": listed == public_keys(seeds) and did_peer_4.encode_short(document) == header["did"],
    }


def create_keystore(question: dict) -> dict:
    seeds = bytes([2]) + os.urandom(64) if question["post_quantum"] else bytes([1]) + os.urandom(32)
    keys = public_keys(seeds)
    names = [f"#key-{number}" for number in range(1, len(keys) + 1)]
    document = {
        "verificationMethod": [
            {"id": name, "type": "Multikey", "publicKeyMultibase": key} for name, key in zip(names, keys, strict=True)
        ],
        "authentication": names,
    }
    header = {
        "format": "parley-keystore-1",
        "did": did_peer_4.encode_short(document),
        "document": json.dumps(document, separators=(",", ":")),
        "kdf": {
            "name": "argon2id",
            "memory_kib": question["memory_kib"],
            "iterations": question["iterations"],
            "lanes": question["lanes"],
            "salt": encode(os.urandom(16)),
        },
        "cipher": {"name": "aes-256-gcm", "nonce": encode(os.urandom(12))},
    }
    key = cipher_key(header, question["passphrase"])
    sealed = AESGCM(key).encrypt(decode(header["cipher"]["nonce"]), seeds, additional_data(header))
    public_key = Ed25519PrivateKey.from_private_bytes(seeds[1:33]).public_key().public_bytes_raw()
    return {"keystore": json.dumps(header | {"sealed": encode(sealed)}), "ed25519_public_key": public_key.hex()}


def main() -> None:
    question = json.load(sys.stdin)
    answers = {"peer2": peer2, "peer4": peer4, "webvh": webvh, "open": open_keystore, "create": create_keystore}
    json.dump(answers[question["ask"]](question), sys.stdout)


if __name__ == "__main__":
    main()
