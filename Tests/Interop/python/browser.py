"""Runs WebSocket connections in a headless Chromium: browser.py PROGRAM URL... [--trust CERTIFICATE].

Standard input is a listening socket, from which it serves a page. The page connects to each URL in turn, and what it sees
is printed, one JSON object a line. `--trust` names a server's certificate (PEM) that Chromium is to accept.
"""

import argparse
import base64
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>WebSocket</title>
<script>
const report = (object) => fetch("/report", { method: "POST", body: JSON.stringify(object) });

// Numbers that do not compress, the same in every run.
const noise = (count) => {
  const bytes = new Uint8Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) bytes[i] = (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16;
  return bytes;
};

const same = (sent, received) => {
  if (typeof sent === "string") return sent === received;
  if (!(received instanceof ArrayBuffer) || received.byteLength !== sent.length) return false;
  const bytes = new Uint8Array(received);
  return sent.every((byte, index) => byte === bytes[index]);
};

const play = (url) => new Promise((resolve) => {
  const result = { event: "connection", url, opened: false, echoed: 0 };
  const messages = ["hello", "", "grüße \\u{1F600}", "x".repeat(300000), new Uint8Array([0, 255]), noise(70000)];
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    result.opened = true;
    result.extensions = socket.extensions;
    result.protocol = socket.protocol;
    for (const message of messages) socket.send(message);
  };
  socket.onmessage = (event) => {
    if (!same(messages[result.echoed], event.data)) {
      result.wrong = result.echoed;
      socket.close();
    } else if (++result.echoed === messages.length) {
      // A page called with #wait leaves the closing to the server.
      if (location.hash === "#wait") report({ event: "waiting", url }); else socket.close(4321, "that is all");
    }
  };
  socket.onclose = (event) => {
    resolve({ ...result, code: event.code, reason: event.reason, clean: event.wasClean });
  };
});

(async () => {
  for (const url of URLS) await report(await play(url));
  await report({ event: "done" });
})();
</script>
"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/"
        body = PAGE.replace("URLS", json.dumps(self.server.urls)).encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
        print(text, flush=True)
        self.server.is_done = json.loads(text)["event"] == "done"

    def log_message(self, *_):
        pass


def key_hash(path):
    """What Chromium names a certificate's key by."""
    with open(path, "rb") as file:
        key = x509.load_pem_x509_certificate(file.read()).public_key()
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--trust")
    parser.add_argument("--wait", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    listener = socket.socket(fileno=os.dup(0))
    server = http.server.HTTPServer(listener.getsockname(), Page, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.urls = arguments.urls
    server.is_done = False
    host, port = listener.getsockname()
    profile = tempfile.mkdtemp()
    words = [
        arguments.program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
        "--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
    ]
    if arguments.trust:
        words.append(f"--ignore-certificate-errors-spki-list={key_hash(arguments.trust)}")
    words.append(f"http://{host}:{port}/{'#wait' if arguments.wait else ''}")
    browser = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    try:
        while not server.is_done:
            server.timeout = 0.2
            server.handle_request()
            if browser.poll() is not None:
                sys.exit(f"the browser ended with {browser.returncode}")
    finally:
        # Its helpers with it.
        try:
            os.killpg(browser.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        browser.wait()
        shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    main()
