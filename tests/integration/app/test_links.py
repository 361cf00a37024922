"""The kernel's addresses in a network namespace of our own: private ones are found, public ones never taken by default."""

import json
import subprocess
import sys

import pytest

from tests.support import net

pytestmark = pytest.mark.skipif(bool(net.privileged()), reason=net.privileged())

LOOK = "import json; from appliance.app.settings import Settings; print(json.dumps(Settings.from_env({}).bind))"


def test_the_default_binds_loopback_and_private_addresses_only():
    script = "ip link set lo up; "
    script += "".join(f"ip addr add {a} dev lo; " for a in ("203.0.113.9/24", "192.168.77.2/24", "10.9.8.7/8", "100.64.3.2/10", "169.254.3.3/16"))
    command = ["unshare", "--net", "sh", "-ec", script + 'exec "$0" -c "$1"', sys.executable, LOOK]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["127.0.0.1", "10.9.8.7", "100.64.3.2", "192.168.77.2"]
