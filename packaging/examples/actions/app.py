import os, socketserver

METRICS, ACTIONS = os.environ["RPMCTL_METRICS"], os.environ["RPMCTL_ACTIONS"]

def tell(metrics):
    with open(METRICS + ".new", "w") as file:
        file.write(metrics)
    os.replace(METRICS + ".new", METRICS)

actions = {"greet": lambda name: "hello " + name}

def reply(name, param):
    if name == "":
        return "\n".join(actions)
    return actions[name](param) if name in actions else "error: unknown action " + name

class Asked(socketserver.StreamRequestHandler):
    def handle(self):
        name, _, param = self.rfile.readline().decode().rstrip("\n").partition("\t")
        self.wfile.write(f"{reply(name, param)}\n".encode())

if os.path.exists(ACTIONS):
    os.unlink(ACTIONS)
with socketserver.ThreadingUnixStreamServer(ACTIONS, Asked) as server:
    tell("# TYPE queue_length gauge\nqueue_length 3\n")
    server.serve_forever()
