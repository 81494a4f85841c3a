"""The standard library's HTTP server; its instances share one port, which no code here asks for."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({
            "message": "hello from Python",
            "instance": int(os.environ["NODE_APP_INSTANCE"]),
            "pid": os.getpid(),
        }).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


port = int(os.environ.get("PORT", "3000"))
server = ThreadingHTTPServer(("", port), Hello)
print(f"listening on port {port}, pid {os.getpid()}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
