"""Cross references within a site: what each part promises about the others. One generator per kind of thing, each in the file of its model.

Every check passes over "": in a salvaged site it stands for a field that did not parse and was reported already.
"""

from __future__ import annotations

from appliance.site.checks.alerts import alerts
from appliance.site.checks.extensions import UNIVERSAL, extensions
from appliance.site.checks.firewall import firewall
from appliance.site.checks.flows import flows, schedules
from appliance.site.checks.lines import lines, secrets
from appliance.site.checks.people import devices, groups, mailboxes, users
from appliance.site.checks.places import places
from appliance.site.checks.provisioning import provisioning
from appliance.site.checks.site import site_itself

__all__ = ["CHECKS", "UNIVERSAL", "secrets"]

CHECKS = (site_itself, extensions, users, devices, groups, mailboxes, lines, flows, schedules, places, alerts, firewall, provisioning)
