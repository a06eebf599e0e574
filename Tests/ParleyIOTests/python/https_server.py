"""An HTTPS server that behaves as its path says: https_server.py CERTIFICATE KEY. Prints its port."""

import http.server
import ssl
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        document = b'{"id":"did:web:localhost"}'
        path = self.path
        if path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/missing":
            self.send_error(404)
        elif path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\n" + document[:5] + b"\r\n%x\r\n" % (len(document) - 5) + document[5:] + b"\r\n0\r\n\r\n")
        elif path in ("/until-end", "/until-end-cut"):
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(document)
            if path == "/until-end":
                self.connection.unwrap()
            self.close_connection = True
        elif path in ("/limit", "/past", "/endless", "/endless-chunks"):
            self.send_response(200)
            if path == "/endless-chunks":
                self.send_header("Transfer-Encoding", "chunked")
            elif path == "/endless":
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", "65536" if path == "/limit" else "65537")
            self.end_headers()
            try:
                if path == "/limit":
                    self.wfile.write(b"x" * 65536)
                while path.startswith("/endless"):
                    self.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n" if "chunks" in path else b"x" * 4096)
            except OSError:
                pass
            self.close_connection = True
        elif path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.02)
            except OSError:
                pass
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
