"""Flows: the editor of flows, schedules, recordings, voicemail boxes."""

from webui.areas import Area
from webui.i18n import lazy_gettext

AREA = Area("flows", __name__, lazy_gettext("Flows"), icon="flow", order=50)
