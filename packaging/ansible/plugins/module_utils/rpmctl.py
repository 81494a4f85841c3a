# Copyright: rpmctl's authors
# SPDX-License-Identifier: MIT OR Apache-2.0
"""rpmctl as a module calls it: everything by --json, nothing of what it prints for people is read."""

from __future__ import annotations

import json
import os
import signal
import threading

# What an instance at hand is given to finish when the time is over.
GRACE_SECONDS = 60


class Failed(Exception):
    """rpmctl did not do it. `result` is its JSON, where there is one."""

    def __init__(self, msg, result=None):
        super().__init__(msg)
        self.result = result or {}


class Rpmctl:
    def __init__(self, module, executable, scope, timeout=None):
        self._module = module
        self._start = [executable] + (["--user"] if scope == "user" else [])
        self._environ = _manager_of_user() if scope == "user" else {}
        self._timeout = timeout

    def json(self, args, stdin=None, good=(0,)):
        """The object that it prints. Raises Failed with all it says was wrong."""
        timers = []
        late = []

        def begun(process):
            def end():
                if process.poll() is None:
                    late.append(True)
                    process.send_signal(signal.SIGTERM)

            for seconds in (self._timeout, (self._timeout or 0) + GRACE_SECONDS):
                if self._timeout:
                    timer = threading.Timer(seconds, end)
                    timer.daemon = True
                    timer.start()
                    timers.append(timer)

        code, out, err = self._module.run_command(
            self._start + args,
            data=stdin,
            binary_data=True,
            environ_update=self._environ,
            before_communicate_callback=begun,
        )
        for timer in timers:
            timer.cancel()
        try:
            result = json.loads(out) if out.strip() else None
        except ValueError:
            result = None
        if code in good and result is not None:
            return result
        said = _said(result) or err.strip() or "rpmctl ended with %s and said nothing" % code
        if late:
            said = "not done within %s seconds, and stopped; the same task again carries on\n%s" % (self._timeout, said)
        raise Failed(said.strip(), result if isinstance(result, dict) else None)


def _manager_of_user():
    """become leaves no session behind, so nobody set these."""
    runtime = runtime_of_user()
    return {"XDG_RUNTIME_DIR": runtime, "DBUS_SESSION_BUS_ADDRESS": "unix:path=%s/bus" % runtime}


def runtime_of_user():
    return "/run/user/%d" % os.getuid()


def _said(result):
    """What went wrong, of rpmctl's JSON."""
    if not isinstance(result, dict):
        return ""
    lines = []
    for one in result.get("problems", []):
        place = one["file"]
        if one.get("line"):
            place += ":%s:%s" % (one["line"], one["column"])
        lines.append("error: %s: %s" % (place, one["message"]))
        lines.extend("  " + more for more in (one.get("label"), one.get("help")) if more)
    for one in result.get("failed", []):
        lines.extend(_failure(one))
    for one in result.get("put_back", []):
        lines.append("%s was put back to what it was" % one["app"])
        for more in one["failed"]:
            lines.extend(_failure(more))
    for app in result.get("unsettled", []):
        lines.append("error: %s is not as the file says, though every step was done; run it again" % app)
    if result.get("interrupted"):
        units = result.get("left") or [
            one["unit"] for app in result.get("apps", []) for one in app.get("instances", []) if one["result"] == "left"
        ]
        lines.append("error: interrupted; as before run: %s" % " ".join(units))
    return "\n".join(lines)


def _failure(one):
    return ["error: %s: %s" % (one["unit"], one["why"])] + ["    " + line for line in one["lines"]]
