# Copyright: rpmctl's authors
# SPDX-License-Identifier: MIT OR Apache-2.0
"""A dict as TOML: what an ecosystem file holds, so tables, lists, texts, numbers and booleans."""

from __future__ import annotations

import json
import re

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


def _key(name):
    name = str(name)
    return name if _BARE.match(name) else _text(name)


def _text(text):
    # JSON's escapes are TOML's; DEL alone may stand in the one and not in the other.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _value(value, where):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Ansible's own kinds of text are subclasses.
        return _text(str(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, dict):
        pairs = ["%s = %s" % (_key(name), _value(one, where + [name])) for name, one in _there(value)]
        return "{ %s }" % ", ".join(pairs) if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(_value(one, where + [number]) for number, one in enumerate(value))
    if value is None:
        raise ValueError("%s: an empty value in a list" % _place(where))
    raise ValueError("%s: no text, number, boolean, list or table, but %s" % (_place(where), type(value).__name__))


def _place(where):
    return ".".join(str(one) for one in where)


def _there(table):
    """What is null is left out: TOML has no word for it."""
    return [(name, value) for name, value in table.items() if value is not None]


def _is_tables(value):
    return isinstance(value, list) and value and all(isinstance(one, dict) for one in value)


def _table(lines, table, where):
    later = []
    for name, value in _there(table):
        if isinstance(value, dict) or _is_tables(value):
            later.append((name, value))
        else:
            lines.append("%s = %s" % (_key(name), _value(value, where + [name])))
    for name, value in later:
        path = where + [name]
        head = ".".join(_key(one) for one in path)
        for one in value if isinstance(value, list) else [value]:
            lines.extend(["", ("[[%s]]" if isinstance(value, list) else "[%s]") % head])
            _table(lines, one, path)


def dumps(table):
    """The text. Raises ValueError, with the place, for what TOML cannot say."""
    lines = []
    _table(lines, table, [])
    return "\n".join(lines).lstrip("\n") + "\n"
