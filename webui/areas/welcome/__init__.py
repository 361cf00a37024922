"""The first hour: from a claimed box to phones that ring, one question at a time."""

from webui.areas import Area
from webui.first_hour import needs, progress
from webui.i18n import lazy_gettext

AREA = Area(
    "welcome", __name__, lazy_gettext("First hour"), icon="next", order=15, first_hour=True, listed=lambda: progress().begun and bool(needs()),
)  # fmt: skip
