"""Guards against deleting the Services of too many nodes at once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from janitor.verdict import Cluster, Judgement, Verdict


@dataclass(frozen=True)
class MaxDelete:
    """How many nodes may lose their Services in one run: a number, or a share (0 to 100) of those that have one."""

    number: int
    percent: bool

    def of(self, known: int) -> int:
        """The limit if `known` nodes have a Service. A share is rounded down."""
        return known * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        """The text of the setting."""
        return f"{self.number}%" if self.percent else str(self.number)


_MAX_NAMES = 5  # of nodes in a refusal


def refusal(judgements: Sequence[Judgement], cluster: Cluster, limit: MaxDelete | None) -> str | None:
    """Why nothing may be deleted; None if the deletions may begin."""
    if not cluster.nodes:
        return "the API server lists no nodes at all; check which server this is"
    # Nodes are counted, not Services: whoever may write one node's Services may make any number of them.
    gone = {judgement.node for judgement in judgements if judgement.verdict is Verdict.DELETE}
    waiting = {judgement.node for judgement in judgements if judgement.verdict is Verdict.WAIT}
    known = len(gone | waiting) + len({label for each in judgements for label in cluster.labels_of(each.service)})
    most = limit.of(known) if limit else (known + 1) // 2
    if len(gone) <= most:
        return None
    names = sorted(map(str, gone))
    more = f" and {len(names) - _MAX_NAMES} more" if names[_MAX_NAMES:] else ""
    return (
        f"the Services of {len(gone)} of {known} nodes would be deleted, the limit is {most} "
        f"({', '.join(names[:_MAX_NAMES])}{more}); if that is right, raise --max-delete"
    )
