"""Who is not known has no rights."""

from __future__ import annotations

import pytest

from libvdsm.access.access import Access
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from tests.fakes.front import Front


@pytest.mark.parametrize(("uid", "is_administrator"), ((0, True), (1000, False), (65534, False)))
def test_unix_peers_are_known_by_their_user_id(uid: int, *, is_administrator: bool) -> None:
    """Only the configured users are administrators; everybody else has an identity and no rights."""
    access = Access(administrators=[0], allow_anonymous=False)
    caller = access.unix(uid, 0, 1)
    assert caller.identity == f"unix:{uid}"
    assert bool(caller.permissions) is is_administrator


@pytest.mark.parametrize("allow", (True, False))
def test_anonymous_has_rights_only_when_the_daemon_is_insecure(*, allow: bool) -> None:
    """Without ``--insecure`` an anonymous caller may do nothing that needs a permission."""
    access = Access(administrators=[0], allow_anonymous=allow)
    assert bool(access.anonymous().permissions) is allow
    assert not access.anonymous(is_local=False).permissions


def test_who_am_i_tells_what_is_decided_by() -> None:
    """The answer is the very set that the bridge asks: for an administrator all that the schema knows."""
    front = Front(verify=True)
    told = front.now("Identity.whoAmI")
    assert (told["identity"], told["source"], told["roles"]) == ("unix:0", "unix", ["administrator"])
    assert told["permissions"] == sorted(PERMISSIONS)
