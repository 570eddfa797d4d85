"""A mesh that is made of literals."""

from mycelium.admin.mesh import LinkEndInfo, MeshNodeInfo

HERE, THERE, QUIET = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113", "4fc:47a4::1", "400:1::9"


class FakeMeshView:
    """A MeshControl: two links, of which one end of the second does not tell."""

    def __init__(self) -> None:
        self.looks = 0
        self.waiting_looks = 0  # for how many looks QUIET has not answered yet
        self.nodes = {
            HERE: MeshNodeInfo("own", "berlin", {THERE: LinkEndInfo(cost=120, rtt_ms=1.25, loss=0.01)}),
            THERE: MeshNodeInfo(
                "told",
                None,
                {HERE: LinkEndInfo(cost=125, rtt_ms=1.5, loss=0.0), QUIET: LinkEndInfo(cost=300, suspect=True)},
            ),
            QUIET: MeshNodeInfo("refused", "oslo"),
        }

    def look(self) -> dict[str, MeshNodeInfo]:
        self.looks += 1
        is_waiting = self.looks <= self.waiting_looks
        return self.nodes | ({QUIET: MeshNodeInfo("waiting", "oslo")} if is_waiting else {})
