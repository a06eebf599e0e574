"""py-multiaddr as a witness: what it reads in each argument, a text or 0x and bytes, as one JSON list."""

import json
import sys

from multiaddr import Multiaddr


def read(word):
    try:
        address = Multiaddr(bytes.fromhex(word[2:]) if word.startswith("0x") else word)
        return {"text": str(address), "hex": address.to_bytes().hex()}
    except Exception as error:
        return {"error": type(error).__name__}


print(json.dumps([read(word) for word in sys.argv[1:]]), flush=True)
