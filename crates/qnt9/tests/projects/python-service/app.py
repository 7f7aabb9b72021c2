"""A service without a database: converts temperatures."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from temperature import to_fahrenheit

stopping = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlparse(self.path)
        if url.path == "/readyz":
            self.answer(503 if stopping.is_set() else 200, {"ready": not stopping.is_set()})
        elif url.path == "/convert":
            celsius = parse_qs(url.query).get("celsius", [""])[0]
            try:
                self.answer(200, {"fahrenheit": to_fahrenheit(float(celsius))})
            except ValueError:
                self.answer(400, {"error": "celsius is not a number"})
        else:
            self.answer(404, {"error": "not found"})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler)

    def stop(*_):
        stopping.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()


if __name__ == "__main__":
    main()
