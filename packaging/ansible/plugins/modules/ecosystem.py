#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: rpmctl's authors
# SPDX-License-Identifier: MIT OR Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ecosystem
short_description: Make the apps of a machine what an ecosystem file says
version_added: 0.1.0
description:
  - Applies an C(ecosystem.toml) with C(rpmctl), which compiles it to systemd units, restarts instance by instance what changed, and waits until
    every instance is up. An app that does not come up with its new settings is put back to what it was, and the task fails.
  - Starts, stops, restarts, reloads and removes apps that were applied before.
  - Everything is read from what C(rpmctl --json) prints.
author:
  - rpmctl's authors (@rpmctl)
options:
  state:
    description:
      - V(present) makes the apps what the file says, running or not as it says.
      - V(absent) stops and removes the apps that came from the file, which need not be there any more. Where O(config) is given the file goes too.
      - V(started) and V(stopped) act where something is down or up. A stopped app stays stopped after a boot; the next V(present) starts it again.
      - V(reloaded) restarts instances one after another, each ready before the next. V(restarted) restarts all at once. Both are always a change,
        and made for handlers.
      - All but V(present) act on what was applied before, and read no file.
    type: str
    choices: [present, absent, started, stopped, restarted, reloaded]
    default: present
  path:
    description:
      - The ecosystem file on the machine; an absolute path.
      - With O(config), where that is kept. Left out then, it is C(/etc/rpmctl/ecosystem.toml), or C(~/.config/rpmctl/ecosystem.toml) with
        O(scope=user).
      - Relative paths in a file begin in its folder, so give each app of O(config) its C(cwd).
    type: path
  config:
    description:
      - What the file says, as a dictionary with the list C(apps) and PM2's names in it, or as a text, TOML or JSON.
      - It is written to O(path), readable by its owner alone, and only when C(rpmctl) takes it. Its values are in no diff, log or result.
      - What is null in a dictionary is left out.
    type: raw
  env:
    description:
      - "The profile: overlay each app's C(env) with its C(env_NAME)."
    type: str
  only:
    description:
      - These apps alone.
      - Names of apps that were applied will do, without O(path) and O(config), where O(state) is not V(present).
    type: list
    elements: str
    aliases: [apps]
  prune:
    description:
      - Remove apps that came from this file and are no longer in it.
      - Not with O(only), which leaves out apps that are still in the file.
    type: bool
    default: false
  scope:
    description:
      - Whose service manager. With V(user) that of the user who runs the task, so C(become_user) says whose; it must run already, as after
        C(loginctl enable-linger).
    type: str
    choices: [system, user]
    default: system
  parallel:
    description:
      - With V(reloaded), how many instances of an app at a time.
    type: int
    default: 1
  timeout:
    description:
      - Seconds after which C(rpmctl) is told to end. It finishes the instance at hand, for a minute more at most; the same task again carries on.
      - Left out, there are only the times that each app has to become ready and to stop, C(listen_timeout) and C(kill_timeout).
    type: int
  executable:
    description:
      - The C(rpmctl) to use. Left out, that of C(PATH), or of C(/usr/local/bin).
    type: path
requirements:
  - rpmctl 0.1.0 or later on the machine
attributes:
  check_mode:
    support: full
    description:
      - Says what would change, and changes nothing.
      - What earlier tasks of the run would have made first is not there in check mode. Without rpmctl, the file, a running manager of the user, or what
        the file needs (users, folders, programs, interpreters), it says that everything would change, and warns what is missing.
  diff_mode:
    support: full
    description:
      - The whole text of each unit before and after, what starts, stops and restarts, rpmctl's notes, and the names of variables that change,
        without values.
  platform:
    support: full
    platforms: posix
    description: Linux with systemd 247 or later.
"""

EXAMPLES = r"""
- name: Apply a file that is on the machine
  rpmctl.rpmctl.ecosystem:
    path: /srv/api/ecosystem.toml
    env: production
    prune: true

- name: Apply what stands here
  rpmctl.rpmctl.ecosystem:
    config:
      apps:
        - name: api
          cwd: /srv/api
          script: app.js
          instances: max
          exec_mode: cluster
          port: 3000
          user: www-data
          env:
            DATABASE_URL: "{{ database_url }}"

- name: Apply a template, to the manager of a user
  rpmctl.rpmctl.ecosystem:
    path: ~/bot/ecosystem.toml
    config: "{{ lookup('ansible.builtin.template', 'ecosystem.toml.j2') }}"
    scope: user
  become: true
  become_user: bot

- name: A new release is there, under the same settings
  rpmctl.rpmctl.ecosystem:
    path: /srv/api/ecosystem.toml
    only: api
    state: reloaded

- name: No app of that file any more
  rpmctl.rpmctl.ecosystem:
    path: /srv/api/ecosystem.toml
    state: absent
"""

RETURN = r"""
apps:
  description:
    - With O(state=present) and V(absent), the apps and what happens to each, also in check mode. C(env) has names of variables alone.
    - With V(reloaded), the instances of each and what became of them; not in check mode.
  type: list
  elements: dict
  returned: when rpmctl has them
  sample:
    - name: api
      change: change
      units: [{"name": "api@.service", "change": "change"}]
      env: {"added": [], "changed": ["PORT"], "removed": []}
      boot: null
      stop: []
      start: []
      restart: [api@0.service, api@1.service]
      notes: []
units:
  description: In check mode, with V(started), V(stopped), V(reloaded) and V(restarted), the units that would be started, stopped or restarted.
  type: list
  elements: str
  returned: in check mode with such a state
  sample: [api.target, api@0.service, api@1.service]
boot:
  description: In check mode, with those states, the apps' targets that would start at boot from then on, or with V(stopped) no more.
  type: list
  elements: str
  returned: in check mode with such a state
  sample: [api.target]
watcher:
  description: What happens to C(rpmctl-watch.service), which all apps share.
  type: dict
  returned: with O(state=present) and V(absent); null where nothing happens to it
failures:
  description: Instances that did not come up, why, and the last lines that they wrote.
  type: list
  elements: dict
  returned: when rpmctl has any
  sample:
    - app: api
      unit: api@0.service
      why: exited with code 1
      lines: ["Error: Cannot find module 'express'"]
put_back:
  description: Apps that are again what they were, and what does not come up even so.
  type: list
  elements: dict
  returned: when there are any
problems:
  description:
    - Every mistake of the file, with its place. C(machine) is true where the file may be right and the machine lacks something.
  type: list
  elements: dict
  returned: when there are any
file:
  description: The ecosystem file.
  type: str
  returned: when there is one
  sample: /srv/api/ecosystem.toml
"""

import json
import os
import pwd
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_text

from ansible_collections.rpmctl.rpmctl.plugins.module_utils import toml
from ansible_collections.rpmctl.rpmctl.plugins.module_utils.rpmctl import Failed, Rpmctl, runtime_of_user

HIDDEN = "(not shown)"


def text_of(config):
    """The ecosystem file, as bytes. Raises ValueError."""
    if isinstance(config, str):
        try:
            config = json.loads(config)
        except ValueError:
            return to_bytes(config)
    if not isinstance(config, dict):
        raise ValueError("a dictionary or a text is needed, not %s" % type(config).__name__)
    return to_bytes(toml.dumps(config))


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def write(path, text):
    """Never readable by others, and whole or not at all."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    made, temporary = tempfile.mkstemp(prefix=".ecosystem-", dir=folder)
    try:
        with os.fdopen(made, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def diff_of(plan):
    """Ansible's diffs of what rpmctl says with --diff."""
    diffs = []
    watcher = plan.get("watcher")
    units = [unit for app in plan["apps"] for unit in app["units"]]
    if watcher and "before" in watcher:
        units.append(dict(watcher, name=watcher["unit"]))
    for unit in units:
        diffs.append(
            dict(
                before_header=unit["name"],
                after_header=unit["name"],
                before=unit["before"] or "",
                after=unit["after"] or "",
            )
        )
    for app in plan["apps"]:
        env = app["env"]
        if any(env.values()):
            old = ["%s=%s\n" % (name, HIDDEN) for name in env["changed"]]
            new = ["%s=%s, another value\n" % (name, HIDDEN) for name in env["changed"]]
            old += ["%s=%s\n" % (name, HIDDEN) for name in env["removed"]]
            new += ["%s=%s\n" % (name, HIDDEN) for name in env["added"]]
            header = "environment of %s" % app["name"]
            diffs.append(dict(before_header=header, after_header=header, before="".join(old), after="".join(new)))
        does = ["%s %s" % (verb, " ".join(app[verb])) for verb in ("stop", "start", "restart") if app[verb]]
        if app["boot"] is not None:
            does.append("starts at boot" if app["boot"] else "starts at boot no more")
        if app["change"] != "keep":
            does.extend("note: %s" % note for note in app["notes"])
        if does:
            diffs.append(dict(prepared="".join("%s: %s\n" % (app["name"], one) for one in does)))
    return diffs


def without_texts(plan):
    """A plan as the result has it: the texts are in its diff."""
    texts = ("diff", "before", "after")
    apps = [
        dict(app, units=[{key: unit[key] for key in unit if key not in texts} for unit in app["units"]])
        if "units" in app
        else app
        for app in plan.get("apps", [])
    ]
    watcher = plan.get("watcher")
    if watcher:
        watcher = {key: watcher[key] for key in watcher if key not in texts}
    return dict(apps=apps, watcher=watcher)


# What writes the options of a module to the machine's log. Ansible has no public way to say what goes there.
LOGS = "_log_invocation"


class Module(AnsibleModule):
    """`config` may hold secrets, and is shown nowhere. As an option with no_log its every word, names too, would be blotted out of all results."""

    def _shown(self):
        hidden = dict(config=HIDDEN) if self.params.get("config") is not None else {}
        return dict(self.params, **hidden)

    def _log_invocation(self):
        self.log("Invoked with %s" % " ".join("%s=%s" % pair for pair in self._shown().items()))

    def exit_json(self, **kwargs):
        super().exit_json(**dict(kwargs, invocation=dict(module_args=self._shown())))

    def fail_json(self, msg, **kwargs):
        super().fail_json(msg, **dict(kwargs, invocation=dict(module_args=self._shown())))


class Ecosystem:
    def __init__(self, module):
        self.module = module
        self.state = module.params["state"]
        self.only = module.params["only"] or []
        self.check = module.check_mode
        if module.params["prune"] and self.only:
            self.fail("prune and only exclude each other: apps left out by only are not gone from the file")
        self.path = self._path()
        self.text = self._text()
        self.result = dict(changed=False)
        if self.path:
            # Not path: Ansible would add the owner, mode and so on of the file, and a state that is none of the apps.
            self.result["file"] = self.path
        self.rpmctl = self._rpmctl()

    def _path(self):
        path = self.module.params["path"]
        if path is None and self.module.params["config"] is not None:
            folder = "/etc"
            if self.module.params["scope"] == "user":
                folder = os.path.join(pwd.getpwuid(os.getuid()).pw_dir, ".config")
            path = os.path.join(folder, "rpmctl/ecosystem.toml")
        if path is None:
            return None
        if not os.path.isabs(path):
            self.fail("path: %s is not absolute" % path)
        return os.path.normpath(path)

    def _text(self):
        config = self.module.params["config"]
        if config is None:
            return None
        try:
            return text_of(config)
        except ValueError as error:
            self.fail("config: %s" % error)

    def _rpmctl(self):
        params = self.module.params
        found = params["executable"]
        if found is None:
            found = self.module.get_bin_path("rpmctl", opt_dirs=["/usr/local/bin"])
        elif not os.access(found, os.X_OK):
            found = None
        if found is None:
            missing = "there is no %s on this machine" % (params["executable"] or "rpmctl")
            if self.check:
                self.unknown(missing)
            self.fail("%s: install it first, by the role rpmctl.rpmctl.rpmctl for one" % missing)
        if self.check and params["scope"] == "user" and not os.path.exists(os.path.join(runtime_of_user(), "bus")):
            self.unknown("the service manager of %s does not run yet" % pwd.getpwuid(os.getuid()).pw_name)
        return Rpmctl(self.module, found, params["scope"], params["timeout"])

    # How it ends.

    def end(self):
        self.module.exit_json(**self.result)

    def fail(self, msg, **more):
        self.module.fail_json(msg, **more)

    def unknown(self, why):
        """In check mode, before what an earlier task would have done."""
        self.module.warn("%s: what would change cannot be told exactly" % why)
        self.result["changed"] = self.state != "absent"
        self.end()

    def failed(self, error):
        found = error.result
        problems = found.get("problems", [])
        if self.check and problems and all(one["machine"] for one in problems):
            # Nothing has made the user, the folder, the code or the runtime yet.
            self.result["problems"] = problems
            self.unknown("; ".join("%s: %s" % (one["file"], one["message"]) for one in problems))
        more = without_texts(found) if found.get("apps") else {}
        for name, there in (("failed", "failures"), ("put_back", "put_back"), ("problems", "problems")):
            if found.get(name):
                more[there] = found[name]
        self.fail(to_text(error), **dict(self.result, changed=self.result["changed"] or bool(found.get("applied", found.get("changed"))), **more))

    # What it does.

    def present(self):
        params = self.module.params
        flags = ["--json", "--diff"]
        if params["env"]:
            flags += ["--env", params["env"]]
        if self.only:
            flags += ["--only", ",".join(self.only)]
        if params["prune"]:
            flags.append("--prune")
        file = None
        if self.text is not None:
            looked = ["apply", "-", "--stdin-filename", self.path, "--check"]
            plan = self.rpmctl.json(looked + flags, stdin=self.text)
            file = self.file_change()
            self.result["changed"] = file is not None
            if not self.check and file:
                write(self.path, self.text)
        elif self.check:
            if not os.path.exists(self.path):
                self.unknown("there is no %s yet" % self.path)
            plan = self.rpmctl.json(["apply", self.path, "--check"] + flags)
        if not self.check:
            plan = self.rpmctl.json(["apply", self.path] + flags)
        self.take(plan)
        if file:
            self.result["diff"].insert(0, dict(prepared="%s: %s\n" % (self.path, file)))

    def file_change(self):
        """What has to happen to the file so that it has the text, and shows it to its owner alone."""
        there = read(self.path)
        if there is None:
            return "a new file %s" % HIDDEN
        if there != self.text:
            return "another text %s" % HIDDEN
        mode = os.stat(self.path).st_mode & 0o7777
        return "mode %04o becomes 0600" % mode if mode & 0o077 else None

    def take(self, plan):
        self.result["changed"] = self.result["changed"] or plan["changed"]
        self.result["diff"] = diff_of(plan)
        self.result.update(without_texts(plan))

    def names(self):
        """The apps of the file, or those named, that are there."""
        there = self.rpmctl.json(["status", "--json"], good=(0, 3))
        if self.path:
            there = [app for app in there if app["file"] == self.path]
        names = [app["name"] for app in there]
        missing = [name for name in self.only if name not in names]
        if missing and self.state not in ("absent", "stopped"):
            of = " of %s" % self.path if self.path else ""
            self.not_there("no app%s is called %s" % (of, ", ".join(missing)))
        if not names and self.state not in ("absent", "stopped"):
            self.not_there("no app of %s is there" % self.path)
        return [name for name in names if not self.only or name in self.only]

    def not_there(self, why):
        if self.check:
            self.unknown(why)
        self.fail("%s: apply it first, by state: present" % why)

    def absent(self):
        names = self.names()
        if names:
            self.take(self.rpmctl.json(["delete", "--json", "--diff"] + self.checked() + ["--"] + names))
        # As it was written: where the path is a link, what it points to.
        file = os.path.realpath(self.path) if self.text is not None and not self.only else None
        if file and os.path.lexists(file):
            self.result["changed"] = True
            self.result.setdefault("diff", []).append(dict(prepared="%s: removed\n" % self.path))
            if not self.check:
                os.unlink(file)

    def act(self, verb):
        names = self.names()
        if not names:
            return
        args = [verb, "--json"] + self.checked()
        if verb == "reload":
            args += ["--parallel", str(self.module.params["parallel"])]
        done = self.rpmctl.json(args + ["--"] + names)
        self.result["changed"] = done["changed"]
        for name in ("apps", "units", "boot"):
            if name in done:
                self.result[name] = done[name]
        if self.check:
            at_boot = "starts at boot no more" if verb == "stop" else "starts at boot"
            does = ["would %s %s\n" % ("restart" if verb == "reload" else verb, unit) for unit in done["units"]]
            does += ["%s: %s\n" % (target, at_boot) for target in done["boot"]]
            if does:
                self.result["diff"] = [dict(prepared="".join(does))]

    def checked(self):
        return ["--check"] if self.check else []


VERBS = dict(started="start", stopped="stop", restarted="restart", reloaded="reload")


def main():
    if not callable(getattr(AnsibleModule, LOGS, None)):
        # AnsibleModule logs when it is made, so there is none yet that could fail.
        raise NotImplementedError("this ansible-core logs in another way, without AnsibleModule.%s, and would log the values of config" % LOGS)
    module = Module(
        argument_spec=dict(
            state=dict(type="str", choices=["present", "absent"] + list(VERBS), default="present"),
            path=dict(type="path"),
            config=dict(type="raw"),
            env=dict(type="str"),
            only=dict(type="list", elements="str", aliases=["apps"]),
            prune=dict(type="bool", default=False),
            scope=dict(type="str", choices=["system", "user"], default="system"),
            parallel=dict(type="int", default=1),
            timeout=dict(type="int"),
            executable=dict(type="path"),
        ),
        required_one_of=[("path", "config", "only")],
        required_if=[("state", "present", ("path", "config"), True)],
        supports_check_mode=True,
    )
    work = Ecosystem(module)
    try:
        if work.state == "present":
            work.present()
        elif work.state == "absent":
            work.absent()
        else:
            work.act(VERBS[work.state])
    except Failed as error:
        work.failed(error)
    except OSError as error:
        work.fail("%s: %s" % (error.filename or work.path, error.strerror))
    work.end()


if __name__ == "__main__":
    main()
