"""Twilio's own Node library works against the simulator, as its Python one does in `test_sdk.py`."""

import json
import subprocess

from tests.node_tools import NODE, require_node

from .simulator import StandIn


def test_it_makes_lists_and_uses_restricted_keys(standin: StandIn) -> None:
    node = require_node("twilio", "Twilio's library for Node")
    tenant = standin.account()
    ended = subprocess.run(
        [node, "twilio_sdk.mjs", standin.base_url, tenant.sid],
        cwd=NODE,
        input=json.dumps({"username": tenant.main.username, "password": tenant.main.password}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["secret"], said["dateUpdated"]) == ("string", True)
    assert said["policy"] == {"allow": ["/twilio/messaging/messages/list"]}
    assert sorted(said["listed"]) == sorted(said["sids"])
    assert said["may"] == {"value": []}
    missing = "Authorization Error: required permission twilio/messaging/messages/list is missing"
    assert (said["mayNot"]["status"], said["mayNot"]["code"], said["mayNot"]["message"]) == (401, 70051, missing)
    assert (said["stranger"]["status"], said["stranger"]["code"]) == (401, 20003)
    assert (said["gone"]["status"], said["gone"]["code"]) == (404, 20404)
