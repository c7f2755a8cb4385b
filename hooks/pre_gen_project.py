"""Refuse answers that no project can be made of; see answers.py."""

import json
import sys

sys.dont_write_bytecode = True  # the template's folder is not ours to write to
sys.path.insert(0, json.loads(r""" {{ template_root() | tojson }} """))

from hooks.answers import problems  # noqa: E402 - found by the line above

found = problems(json.loads(r""" {{ cookiecutter | tojson }} """))
if found:
    sys.exit("\n".join(found))
