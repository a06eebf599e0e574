"""Reads a journal by docs/protocol/journal.md alone and recomputes everything it says.

Prints one JSON object: size, root and last (the hash of the last entry). Exits 1 with a sentence on anything that
does not fit. Uses nothing but Python's own library.
"""

import hashlib
import json
import sqlite3
import sys

ZERO = bytes(32)


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, as the definition stands."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def encode(sequence, time, kind, peer, group, previous, body) -> bytes:
    did = peer.encode("utf-8")
    return b"".join(
        [
            b"\x01",
            sequence.to_bytes(8, "big"),
            time.to_bytes(8, "big", signed=True),
            kind.to_bytes(1, "big"),
            len(did).to_bytes(2, "big"),
            did,
            len(group).to_bytes(2, "big"),
            group,
            previous,
            len(body).to_bytes(4, "big"),
            body,
        ]
    )


def require(condition: bool, sentence: str) -> None:
    if not condition:
        sys.exit(sentence)


def check(path: str) -> dict:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    require(database.execute("PRAGMA application_id").fetchone()[0] == 0x50524C59, "not a journal")
    require(database.execute("PRAGMA user_version").fetchone()[0] == 2, "another version")
    rows = database.execute(
        'SELECT e.sequence, e.time, e.kind, p.did, e."group", e.previous, e.body'
        " FROM entry e LEFT JOIN peer p ON p.id = e.peer ORDER BY e.sequence"
    )
    leaves: list[bytes] = []
    previous, last_time = ZERO, -(2**63)
    for sequence, time, kind, peer, group, link, body in rows:
        require(sequence == len(leaves), f"entry {len(leaves)} is missing")
        require(peer is not None, f"entry {sequence} has no peer")
        require(link == previous, f"entry {sequence} is not linked")
        require(time >= last_time, f"entry {sequence} goes back in time")
        previous, last_time = leaf_hash(encode(sequence, time, kind, peer, group, link, body)), time
        leaves.append(previous)

    nodes: list[bytes] = []
    for block, stored in database.execute("SELECT block, hashes FROM tree ORDER BY block"):
        require(block * 63 == len(nodes) and len(stored) % 32 == 0, f"row {block} of the tree is not in its place")
        nodes += [stored[place : place + 32] for place in range(0, len(stored), 32)]
    count = 2 * len(leaves) - bin(len(leaves)).count("1")
    require(len(nodes) == count, "the nodes are not those of the tree")
    level = 0
    hashes = leaves
    while hashes:
        for index, value in enumerate(hashes):
            last = (index + 1) * 2**level - 1
            position = 2 * last - bin(last).count("1") + level
            require(nodes[position] == value, f"node {level}, {index} is wrong")
        hashes = [node_hash(*hashes[i : i + 2]) for i in range(0, len(hashes) - 1, 2)]
        level += 1

    root = tree_hash(leaves)
    head = database.execute("SELECT id, size, root, time FROM head").fetchall()
    require(head == ([(0, len(leaves), root, last_time)] if leaves else []), "the recorded end is wrong")
    for did, data, digest in database.execute("SELECT did, bytes, sha256 FROM document"):
        require(hashlib.sha256(data).digest() == digest, f"the document of {did} is wrong")

    with open(path + "-lock", encoding="ascii") as lock:
        line = lock.read()
    require(line == f"{len(leaves):020d} {root.hex()}\n", "the lock file is behind")
    return {"size": len(leaves), "root": root.hex(), "last": previous.hex()}


print(json.dumps(check(sys.argv[1])))
